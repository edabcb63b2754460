"""A disk that is nearly full, for the programs of a virtual board only."""

from __future__ import annotations

import struct
from pathlib import Path

from pipeline.tools.compiler import compiler
from pipeline.tools.process import run_tool


def disk_limit(root: Path, work: Path, left: int) -> dict[str, str]:
    """The environment in which programs can write only `left` more bytes below `root`.

    They are told so as by a full disk. `work` gets the library that does it.
    """
    library = work / "full_disk.so"
    source = Path(__file__).with_name("full_disk.cpp")
    run_tool(
        [*compiler(), "-shared", "-fPIC", "-O1", source, "-o", library, "-ldl"],
        log=work / "full_disk.log",
    )
    counter = work / "disk-left"
    counter.write_bytes(struct.pack("q", left))
    return {"LD_PRELOAD": str(library), "QNN_DISK_LEFT": f"{counter}:{root}"}
