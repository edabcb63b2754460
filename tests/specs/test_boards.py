"""The board inventory is kept honest: against the parts' data sheets and against FINN's tables."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from specs import catalog
from specs.board import BoardSpec

# part -> LUT, FF, BRAM36, DSP, URAM by the data sheets: Zynq-7000 (DS190), UltraScale+ (DS891),
# Kria K26 (DS987)
DATA_SHEETS = {
    "xc7z020clg400-1": (53_200, 106_400, 140, 220, 0),
    "xczu3eg-sbva484-1-e": (70_560, 141_120, 216, 360, 0),
    "xczu3eg-sbva484-1-i": (70_560, 141_120, 216, 360, 0),
    "xczu7ev-ffvc1156-2-e": (230_400, 460_800, 312, 1_728, 96),
    "xck26-sfvc784-2LV-c": (117_120, 234_240, 144, 1_248, 64),
}
FINN_NAMES = {"KV260": "KV260_SOM"}
BOARDS = {"Pynq-Z1", "Pynq-Z2", "Ultra96", "Ultra96-V2", "ZCU104", "KV260"}


def spec(name: str) -> BoardSpec:
    return catalog.find(BoardSpec, "board", name, Path())[1]


def test_the_inventory_is_complete() -> None:
    assert set(catalog.names(BoardSpec)) == BOARDS


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_counts_are_the_data_sheets(name: str) -> None:
    board = spec(name)
    counts = (board.lut, board.ff, board.bram36, board.dsp, board.uram)
    assert counts == DATA_SHEETS[board.part]
    assert board.family == ("zynq-7000" if board.part.startswith("xc7z") else "zynq-us+")


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_part_and_memory_port_are_finns(name: str) -> None:
    """The Vivado engine hands FINN the board's name: both must mean the same part."""
    from finn.util.basic import pynq_native_port_width, pynq_part_map

    board = spec(name)
    assert board.part == pynq_part_map[FINN_NAMES.get(name, name)]
    assert board.memory_port_bits == pynq_native_port_width[FINN_NAMES.get(name, name)]


def test_a_part_is_a_word_in_every_script() -> None:
    fields = spec("Pynq-Z1").model_dump()
    for part in (
        "xc7z020[exec id]",
        "xc7z020 -x",
        "xc7z020;id",
        "-part",
        "xc7z020\n",
        '"',
        "$x",
        "",
    ):
        with pytest.raises(ValidationError, match="part"):
            BoardSpec.model_validate({**fields, "part": part})
