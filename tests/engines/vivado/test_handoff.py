"""The hardware description: Vivado's processing system, our slaves; anything else is refused."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from pipeline.engines.vivado.rtl.handoff import handoff
from pipeline.errors import PipelineError
from pipeline.rtl.shell import registers
from tests.engines.vivado import cases

TARGET = cases.target("Pynq-Z1")
GOOD = """<?xml version="1.0"?>
<EDKSYSTEM><MODULES>
  <MODULE MODTYPE="processing_system7" INSTANCE="ps"><PARAMETERS>
    <PARAMETER NAME="PCW_FCLK0_PERIPHERAL_DIVISOR0" VALUE="17"/>
    <PARAMETER NAME="no name" VALUE="1"/>
  </PARAMETERS></MODULE>
</MODULES></EDKSYSTEM>
"""


def test_vivados_parameters_and_our_slaves(tmp_path: Path) -> None:
    path = tmp_path / "system.hwh"
    path.write_text(GOOD)
    root = Xml.fromstring(handoff(path, TARGET))  # noqa: S314 - our own
    found = {entry.get("NAME"): entry.get("VALUE") for entry in root.iter("PARAMETER")}
    assert found["PCW_FCLK0_PERIPHERAL_DIVISOR0"] == "17"
    assert "no name" not in found
    names = [name for name, _, _ in registers.SLAVES]
    assert [entry.get("INSTANCE") for entry in root.iter("MEMRANGE")] == names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no valid XML"),
        (GOOD[:-20], "no valid XML"),
        (GOOD.replace("<EDKSYSTEM>", '<!DOCTYPE x [<!ENTITY a "b">]><EDKSYSTEM>'), "entities"),
        (GOOD.replace("processing_system7", "zynq_ultra_ps_e"), "0 modules processing_system7"),
        (GOOD.replace("</MODULES>", '<MODULE MODTYPE="processing_system7"/></MODULES>'), "2 mod"),
        ("\0" * 40, "no valid XML"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "system.hwh"
    path.write_text(text)
    with pytest.raises(PipelineError, match=why) as caught:
        handoff(path, TARGET)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"none\.hwh: no such file"):
        handoff(tmp_path / "none.hwh", TARGET)
