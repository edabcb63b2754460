"""Our block design beside the one that FINN's own code makes: the page says what is the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engines.vivado.rtl import ENGINE
from tests.engines.vivado import cases
from tests.vendor import golden, shell_table
from tests.vendor.install import block_design, install

if shutil.which("tclsh") is None:
    pytest.skip("no tclsh here", allow_module_level=True)

MUST_BE_EQUAL = {
    *("registers of the input DMA", "registers of the output DMA", "bits of the DMAs"),
    *("port to the memory", "bits of the port to the memory", "memory that the DMAs reach"),
    *("source of the reset", "pins of the FPGA"),
}
"""What FINN's driver and the board rely on."""


def test_our_block_design_beside_finns(tmp_path: Path) -> None:
    vivado = install(tmp_path)
    work = tmp_path / "finn"
    work.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.vendor.finn_shell", work, *cases.BOARDS],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "FINN_TOOL_DIR_OVERRIDE": str(vivado / "bin")},
        check=True,
        timeout=600,
    )
    found = {}
    for board in cases.BOARDS:
        unit = cases.unit(board, tmp_path / board, vivado)
        ENGINE.synthesise(unit.job("synth"), unit.graph, unit.folding)
        ours = shell_table.roles(block_design(unit.work_folders[-1]))
        finn = shell_table.roles(block_design(Path((work / f"{board}.txt").read_text())))
        assert {point for point in MUST_BE_EQUAL if ours[point] != finn[point]} == set()
        found[board] = (ours, finn)
    golden.check(shell_table.page(found), shell_table.FILE)
