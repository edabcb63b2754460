"""What the shell and the signatures are counted with, against synthesis."""

from pathlib import Path

import pytest

from pipeline.engines.open.shell import READ_LUTS, shell, signature_luts
from pipeline.engines.open.synthesis import synthesise
from pipeline.rtl.modules import copy_modules
from pipeline.rtl.shell.generate import ADDRESS_BITS, write_alone
from pipeline.rtl.shell.top import TOP, Beats, Parameters
from specs import catalog
from specs.board import BoardSpec

MOST = 1200
"""The design's limit."""


def test_every_board_has_a_measured_shell_within_the_limit() -> None:
    for name in catalog.names(BoardSpec):
        _, board = catalog.find(BoardSpec, "board", name, Path())
        assert isinstance(board, BoardSpec)
        found = shell(board.family, board.memory_port_bits)
        assert 0 < found.lut <= MOST
        assert found.dsp == 0
        assert found.bram36 == 0


def test_a_shell_takes_what_was_measured(tmp_path: Path) -> None:
    """Of any widths of its beats, it takes at most what the folding counts, and not far less."""
    parameters = Parameters(64, ADDRESS_BITS["zynq-7000"], Beats(56, 112), Beats(48, 5))
    sources = write_alone(parameters, tmp_path)
    used = synthesise(sources, TOP, "zynq-7000", tmp_path, tmp_path / "out", tmp_path / "log")
    counted = shell("zynq-7000", 64)
    assert 0.9 * counted.lut <= used.lut <= 1.02 * counted.lut


@pytest.mark.parametrize("width", [1, 8, 32, 128, 256])
def test_a_signature_takes_what_is_counted(width: int, tmp_path: Path) -> None:
    copy_modules(["signature"], tmp_path)
    top = f"""module top(input clk, restart, taken, input [{width - 1}:0] tdata,
      output [31:0] value);
      signature #(.WIDTH({width})) only (clk, restart, tdata, taken, value);
    endmodule"""
    (tmp_path / "top.v").write_text(top)
    sources = ["signature.v", "top.v"]
    used = synthesise(sources, "top", "zynq-7000", tmp_path, tmp_path / "out", tmp_path / "log")
    assert abs(READ_LUTS + used.lut - signature_luts(width)) <= 5
