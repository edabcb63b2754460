"""The interface of FINN's accelerator, from files that Vivado and FINN's build leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.driver.document import Interface, Target
from pipeline.driver.finn import FCLK0_MHZ, finn_interface
from pipeline.errors import PipelineError
from tests.driver import fakes

TARGET = Target("Pynq-Z1", "xc7z020clg400-1", "zynq-7000", 50.0)
RANGES = (("odma0", "0x40001000"), ("idma0", "0x40000000"))


def interface(folder: Path, ranges: Any = RANGES, **changes: Any) -> Interface:
    ends = {
        "input": {"dtype": "UINT2", "folded": [1, 4, 3], "packed": [1, 4, 1], "dma": "idma0"},
        "output": {"dtype": "UINT3", "folded": [1, 1, 1], "packed": [1, 1, 1], "dma": "odma0"},
    }
    for name, value in changes.items():
        side, field = name.split("_")
        ends[side][field] = value
    (folder / "finn_io.json").write_text(json.dumps(ends))
    text = "".join(f'<MEMRANGE BASEVALUE="{at}" INSTANCE="{name}"/>' for name, at in ranges)
    (folder / "accelerator.hwh").write_text(f"<EDKSYSTEM>{text}</EDKSYSTEM>")
    (folder / "folding.json").write_text("{}")
    return finn_interface(folder, fakes.network(), TARGET, folder / "folding.json")


def test_registers_and_streams_are_those_of_finn(tmp_path: Path) -> None:
    found = interface(tmp_path)
    assert (found.shell, found.base_address) == ("finn", 0x4000_0000)
    assert found.fclk0_mhz == FCLK0_MHZ, "a clocking wizard makes the accelerator's clock from it"
    assert found.registers["input_control"] == 0
    assert found.registers["output_images"] == 0x101C
    assert found.input["lanes"] == 3
    assert found.input["beats"] == 4
    assert found.output["bytes_per_beat"] == 1
    turned = (("odma0", "0x40000000"), ("idma0", "0x40010000"))
    assert interface(tmp_path, turned).registers["input_control"] == 0x10000


def test_what_is_not_as_our_driver_packs_is_refused(tmp_path: Path) -> None:
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"input_folded": [1, 5, 3]}, r"FINN's input is \(1, 5, 3\)"),
        ({"input_packed": [1, 4, 2]}, "2 bytes a beat"),
        ({"output_dtype": "FLOAT<8,23>"}, "not what FINN's build leaves"),
        ({"ranges": RANGES[:1]}, "no address of idma0"),
        ({"ranges": (("idma0", "1e9"), RANGES[0])}, "no address of idma0"),
    )
    for changes, text in wrong:
        with pytest.raises(PipelineError, match=text):
            interface(tmp_path, **changes)
    (tmp_path / "finn_io.json").unlink()
    with pytest.raises(PipelineError, match="not what FINN's build leaves"):
        finn_interface(tmp_path, fakes.network(), TARGET, tmp_path / "folding.json")
