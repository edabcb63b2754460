"""The C++ compiler of this machine."""

from __future__ import annotations

import os
import shlex
import shutil

from pipeline.errors import MissingTool


def compiler() -> list[str]:
    """argv of the C++ compiler: the CXX variable, else c++, g++, clang++. Raises MissingTool."""
    named = shlex.split(os.environ.get("CXX", ""))
    for words in (named, ["c++"], ["g++"], ["clang++"]):
        if words and shutil.which(words[0]):
            return words
        if words and words is named:
            break
    raise MissingTool(
        f"{named[0] if named else 'c++'}: no C++ compiler found (simulation compiles the verilated "
        "design). Install g++ or clang++ with the system's package manager, or name one in the "
        "variable CXX, or `pip install ziglang` and set CXX='python -m ziglang c++'"
    )
