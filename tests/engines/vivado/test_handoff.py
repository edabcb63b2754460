"""The hardware description of Vivado gets our slaves; anything that is none is refused in words."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from pipeline.engines.vivado.rtl.handoff import with_slaves
from pipeline.errors import PipelineError
from pipeline.rtl.shell import registers

GOOD = """<?xml version="1.0"?>
<EDKSYSTEM><MODULES>
  <MODULE MODTYPE="processing_system7" INSTANCE="ps"><PARAMETERS>
    <PARAMETER NAME="PCW_FCLK0_PERIPHERAL_DIVISOR0" VALUE="10"/>
  </PARAMETERS></MODULE>
</MODULES></EDKSYSTEM>
"""


def test_what_vivado_says_is_kept_and_the_slaves_are_added(tmp_path: Path) -> None:
    path = tmp_path / "system.hwh"
    path.write_text(GOOD)
    root = Xml.fromstring(with_slaves(path, "zynq-7000"))  # noqa: S314 - our own
    (divisor,) = root.iter("PARAMETER")
    assert divisor.get("VALUE") == "10"
    names = [name for name, _, _ in registers.SLAVES]
    assert [module.get("INSTANCE") for module in root.iter("MODULE")] == ["ps", *names]
    (ps,) = (module for module in root.iter("MODULE") if module.get("INSTANCE") == "ps")
    assert [found.get("INSTANCE") for found in ps.iter("MEMRANGE")] == names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no valid XML"),
        (GOOD[:-20], "no valid XML"),
        (GOOD.replace("<EDKSYSTEM>", '<!DOCTYPE x [<!ENTITY a "b">]><EDKSYSTEM>'), "entities"),
        (GOOD.replace("processing_system7", "other"), "not the description of one processing"),
        (GOOD.replace("MODULES", "PARTS"), "not the description of one processing"),
        ("\0" * 40, "no valid XML"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "system.hwh"
    path.write_text(text)
    with pytest.raises(PipelineError, match=why) as caught:
        with_slaves(path, "zynq-7000")
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"none\.hwh: no such file"):
        with_slaves(tmp_path / "none.hwh", "zynq-us+")
