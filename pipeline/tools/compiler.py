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
    """argv of the C++ compiler: the CXX variable, else c++, g++, clang++. Raises MissingTool."""
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
    """CXX is a program, whose path may hold blanks and quotes, or a command as a shell reads it."""
    if shutil.which(named):
        return [named]
    try:
        return shlex.split(named)
    except ValueError:  # a quote without its other half
        return [named]


def identity(cxx: Sequence[str], log: Path) -> list[str]:
    """What the compiler says it is and compiles for. Raises ToolError."""
    lines: list[str] = []
    for question in ("--version", "-dumpmachine"):
        run_tool([*cxx, question], log=log, on_line=lines.append, tool_errors=False)
    return lines
