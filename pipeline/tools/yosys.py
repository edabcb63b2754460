"""Yosys as a program: `python -m pipeline.tools.yosys SCRIPT` runs a script of its commands.

The wheel carries Yosys as a Python module only. It runs in a process of its own, so that its
output goes to a log and its memory goes back to the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.tools.process import run_tool

SECONDS = 1800


def run_script(commands: list[str], folder: Path, log: Path) -> None:
    """Runs Yosys commands with `folder` as the working directory, its output in `log`.

    Raises ToolError with Yosys' own error lines.
    """
    script = log.with_suffix(".ys")
    log.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("\n".join(commands) + "\n")
    command: list[str | Path] = [sys.executable, "-m", "pipeline.tools.yosys", script.resolve()]
    run_tool(command, log=log, cwd=folder, timeout=SECONDS)


def main(script: Path) -> None:
    from pyosys import libyosys  # noqa: PLC0415 - a shared library of 60 MB

    design = libyosys.Design()
    for line in script.read_text().splitlines():
        libyosys.run_pass(line, design)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
