"""Lints a design with four readers. It must be clean in all of them."""

from __future__ import annotations

from pathlib import Path

from pipeline.rtl.design import Design
from pipeline.tools.verilator import run_verilator
from pipeline.tools.yosys import run_script

LANGUAGE = "1364-2005"


def lint(design: Design, logs: Path) -> None:
    """Raises ToolError with the first complaints of a linter. Logs are written to `logs`.

    The linters are Verilator with SystemVerilog, so that no name is one of its keywords; Verilator
    and slang with Verilog-2005, as Vivado reads a .v file; and Yosys' own reader. Every warning
    counts, because Verilator's exit code is not 0 if it warns. Accepted warnings are listed, with
    the reason, in library/lint.vlt. A design with a shell is linted from the shell down.
    """
    whole = design.whole
    for name, language in (("verilator", "1800-2023"), ("verilog-2005", LANGUAGE)):
        run_verilator(
            ["--lint-only", "-Wall", "--default-language", language, design.waivers,
             *whole.sources, "--top-module", whole.top],
            design.folder,
            logs / f"lint-{name}.log",
        )  # fmt: skip
    commands = [
        ["read_verilog", "-defer", *whole.sources],
        ["hierarchy", "-check", "-top", whole.top],
        ["proc"],
        ["check", "-assert"],
    ]
    run_script(commands, design.folder, logs / "lint-yosys.log")
    strict = ["--std", LANGUAGE, "-Wextra", "-Werror", "--top", whole.top]
    run_script([["read_slang", *strict, *whole.sources]], design.folder, logs / "lint-slang.log")
