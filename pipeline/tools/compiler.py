"""The C++ compiler of this machine."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import MissingTool
from pipeline.tools.process import run_tool


def compiler() -> list[str]:
    """The command of the C++ compiler, as argv: what CXX names, else c++, g++ or clang++.

    Raises MissingTool if there is none.
    """
    named = os.environ.get("CXX", "").strip()
    for words in [_words(named)] if named else [["c++"], ["g++"], ["clang++"]]:
        if shutil.which(words[0]):
            return words
    raise MissingTool(
        f"{named or 'c++'}: no C++ compiler found (simulation compiles the verilated "
        "design). Install g++ or clang++ with the system's package manager, or name one in the "
        "variable CXX, or `pip install ziglang` and set CXX='python -m ziglang c++'"
    )


def _words(named: str) -> list[str]:
    """The words of CXX: a single one if it is the path of a program, else split as in a shell."""
    if shutil.which(named):
        return [named]
    try:
        return shlex.split(named)
    except ValueError:  # a quote that is not closed
        return [named]


def identity(cxx: Sequence[str], log: Path) -> list[str]:
    """The lines in which the compiler tells its version and its target. Raises ToolError."""
    lines: list[str] = []
    for question in ("--version", "-dumpmachine"):
        run_tool([*cxx, question], log=log, on_line=lines.append, tool_errors=False)
    return lines
