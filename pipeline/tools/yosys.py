"""Runs Yosys: `python -m pipeline.tools.yosys SCRIPT` runs a script of its commands.

The wheel has Yosys only as a Python module. It runs in a process of its own, so that its output
goes to a log and its memory is freed at the end.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.tools.process import run_tool

SECONDS = 1800
Command = str | Sequence[str]
"""A command as a line, which is split as in a shell, or as words. Words may name any file."""


def run_script(commands: Sequence[Command], folder: Path, log: Path) -> None:
    """Runs Yosys commands in `folder`, with the output in `log`.

    Raises ToolError with Yosys' own error lines.
    """
    script = log.with_suffix(".ys")
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = [line if isinstance(line, str) else shlex.join(line) for line in commands]
    script.write_text("\n".join(lines) + "\n")
    command: list[str | Path] = [sys.executable, "-m", "pipeline.tools.yosys", script.resolve()]
    run_tool(command, log=log, cwd=folder, timeout=SECONDS)


def main(script: Path) -> None:
    import pyosys  # noqa: PLC0415 - it loads a shared library of 60 MB

    with tempfile.TemporaryDirectory(dir=_temporary_folder()) as folder:
        here = os.path.relpath(folder)
        os.environ["TMPDIR"] = here
        # Yosys never quotes the paths of ABC and of its own files
        package = Path(here, "pyosys")
        package.symlink_to(Path(pyosys.__file__).parent)
        vars(sys)["_pyosys_share_dirname"] = f"{package}/share/"
        vars(sys)["_pyosys_abc"] = f"{package}/yosys-abc"
        from pyosys import libyosys  # noqa: PLC0415 - loading it reads both settings above

        design = libyosys.Design()
        for line in script.read_text().splitlines():
            # words, not a line, since Yosys cannot quote a word that has a quote and a blank
            libyosys.Pass.call(design, shlex.split(line))


def _temporary_folder() -> str:
    """The folder for ABC's files. Its path must be plain, since Yosys passes it on unquoted."""
    given = os.path.relpath(Path(tempfile.gettempdir()).resolve())
    plain = re.fullmatch(r"[A-Za-z0-9_.@+/-]+", given)
    return given if plain else "/tmp"  # noqa: S108 - the caller makes a new folder in it


if __name__ == "__main__":
    main(Path(sys.argv[1]))
