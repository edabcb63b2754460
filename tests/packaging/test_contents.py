"""What is in a package: the bitfile's header, the hwh, the notebook."""

from __future__ import annotations

import json
import struct
from xml.etree import ElementTree

import pytest

from pipeline.driver.board.programming import _as_binary, bitfile_fields, die
from pipeline.errors import PipelineError
from pipeline.packaging.bitfile import kind, simulated
from pipeline.packaging.notebook import notebook
from pipeline.rtl.shell import registers
from pipeline.rtl.shell.hwh import hwh
from specs import catalog
from specs.board import BoardSpec

BOARDS = [
    catalog.find(BoardSpec, "board", name, catalog._HERE)[1] for name in catalog.names(BoardSpec)
]


def _tree(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - we have just written it


@pytest.mark.parametrize("payload", [b"", b"a", bytes(range(16)), b"x" * 70_001])
def test_a_simulated_bitfile_has_a_header_and_whole_words(payload: bytes) -> None:
    content = simulated("xc7z020clg400-1", payload)
    fields, data = bitfile_fields(content)
    assert fields["b"] == "7z020clg400-1"
    assert data[: len(payload)] == payload
    assert len(data) % 4 == 0
    assert not data[len(payload) :].strip(b"\0")
    turned = _as_binary(content)
    words = len(data) // 4
    assert struct.unpack(f"<{words}I", turned) == struct.unpack(f">{words}I", data)


def _bit(design: str, part: str, data: bytes = b"1234") -> bytes:
    """A .bit file as Vivado writes it."""
    texts = zip("abcd", (design, part, "2026/11/29", "01:02:03"), strict=True)
    fields = [
        letter.encode() + struct.pack(">H", len(text) + 1) + text.encode() + b"\0"
        for letter, text in texts
    ]
    start = bytes.fromhex("00090ff00ff00ff00ff0000001")
    return start + b"".join(fields) + b"e" + struct.pack(">I", len(data)) + data


def test_a_header_says_for_what_a_bitfile_is() -> None:
    ours, part = simulated("xc7z020clg400-1", b"1234"), "xc7z020clg400-1"
    assert kind(ours, part) == "simulated"
    real = _bit("top;UserID=0XFFFFFFFF;Version=2024.2", "7z020clg400")
    assert kind(real, part) == "implemented"
    large = _bit("top;UserID=0XFFFFFFFF;Version=2024.2", "xczu3eg-sbva484-1-e")
    assert kind(large, "xczu3eg-sbva484-1-e") == "implemented"
    with pytest.raises(PipelineError, match="is for xczu3eg-sbva484-1-e, and the board has xc7z"):
        kind(large, part)
    with pytest.raises(PipelineError, match="is for 7z020clg400"):
        kind(real, "xc7z020clg484-1")
    for broken in (b"", real[:-1], real + b"0", real[2:], b"PK\3\4" + real, ours[:20], real[:60]):
        with pytest.raises(PipelineError, match=r"the bitfile (is cut off|has no valid header)"):
            kind(broken, part)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_hwh_has_what_pynq_reads(board: BoardSpec) -> None:
    root = _tree(hwh(board.part, board.family, 100.0, board.memory_port_bits))
    assert root.find("EXTERNALPORTS") is not None
    base = registers.BASE[board.family]
    ranges = {
        entry.get("INSTANCE"): int(entry.get("BASEVALUE", ""), 16)
        for entry in root.iter("MEMRANGE")
    }
    assert ranges == {"idma0": base, "odma0": base + 0x1000, "signatures0": base + 0x2000}
    modules = {module.get("INSTANCE") for module in root.iter("MODULE")}
    assert ranges.keys() < modules
    names = {entry.get("NAME"): entry.get("VALUE") for entry in root.iter("PARAMETER")}
    for clock in range(4):
        assert float(names[f"PSU__CRL_APB__PL{clock}_REF_CTRL__ACT_FREQMHZ"] or 0) == 100.0
    if board.family == "zynq-us+":
        assert names["C_SAXIGP2_DATA_WIDTH"] == str(board.memory_port_bits)


@pytest.mark.parametrize(("family", "pll"), [("zynq-7000", 1000), ("zynq-us+", 1500)])
@pytest.mark.parametrize("mhz", [1.0, 33.3, 100.0, 142.0, 250.0])
def test_the_clock_of_the_hwh_is_never_above_what_was_built(
    family: str, pll: float, mhz: float
) -> None:
    text = hwh("xc7z020clg400-1", family, mhz, 64)
    names = {entry.get("NAME"): entry.get("VALUE") for entry in _tree(text).iter("PARAMETER")}
    stem = (
        "PCW_FCLK0_PERIPHERAL_DIVISOR"
        if family == "zynq-7000"
        else ("PSU__CRL_APB__PL0_REF_CTRL__DIVISOR")
    )
    first, second = (int(names[f"{stem}{k}"] or 0) for k in range(2))
    assert 0 < first < 64
    assert 0 < second < 64
    assert 0.8 * mhz <= pll / (first * second) <= mhz * 1.001


def test_parts_of_the_samedie_are_told_apart_from_others() -> None:
    assert die("7z020clg400") == die("xc7z020clg400-1") == "7z020clg400"
    assert die("xczu3eg-sbva484-1-e") == die("xczu3eg-sbva484-1-i")
    assert die("xck26-sfvc784-2LV-c") == "k26-sfvc784"
    assert len({die(board.part) for board in BOARDS}) == 4


def test_the_notebook_runs_on_the_package() -> None:
    document = json.loads(notebook("net", "Pynq-Z1", (28, 28, 1)))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in document["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), "cell", "exec")
