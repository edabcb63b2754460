"""The lint gate: a design must be clean in Verilator and in Yosys before it is handed on."""

from __future__ import annotations

from pathlib import Path

from pipeline.rtl.design import Design
from pipeline.simulation.build import run_verilator
from pipeline.synthesis.yosys import run_script


def lint(design: Design, logs: Path) -> None:
    """Raises ToolError with the first complaints of Verilator or Yosys; logs go into `logs`.

    Every warning counts: Verilator's exit code is not 0 if it warns, and what may be waived is
    listed, with its reason, in library/lint.vlt.
    """
    run_verilator(
        ["--lint-only", "-Wall", design.waivers, *design.sources, "--top-module", design.top],
        design.folder,
        logs / "lint-verilator.log",
    )
    commands = [
        f"read_verilog -defer {' '.join(design.sources)}",
        f"hierarchy -check -top {design.top}",
        "proc",
        "check -assert",
    ]
    run_script(commands, design.folder, logs / "lint-yosys.log")
