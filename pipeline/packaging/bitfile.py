"""Bitfiles: the simulated one, and what the header of any says.

A simulated bitfile is a .bit file whose data are the Verilog and the memories of the design. It has
the header that Vivado writes, so that pynq takes it for a bitfile of its part. Only the virtual
board can load it: it compiles what is in it.
"""

from __future__ import annotations

import struct
from typing import Literal

from pipeline.driver.board.programming import bitfile_fields, die
from pipeline.errors import PipelineError

_START = bytes.fromhex("0ff00ff00ff00ff000")
"""The first field of every .bit file."""
_DATE, _TIME = "1980/01/01", "00:00:00"
"""Fixed, so that the same design makes the same file."""
_SIMULATED = "Version=simulated"
"""Where Vivado writes its own version, a bitfile for no FPGA says so."""
_WORD = 4
"""pynq turns the data around in words of so many bytes."""


def simulated(part: str, payload: bytes) -> bytes:
    """The .bit file with this payload, filled up to whole words."""
    payload += bytes(-len(payload) % _WORD)
    design = f"accelerator;UserID=0XFFFFFFFF;{_SIMULATED}"
    texts = (("a", design), ("b", part.removeprefix("xc")), ("c", _DATE), ("d", _TIME))
    header = struct.pack(">H", len(_START)) + _START + struct.pack(">H", 1)
    for letter, text in texts:
        data = text.encode("ascii") + b"\0"
        header += letter.encode() + struct.pack(">H", len(data)) + data
    return header + b"e" + struct.pack(">I", len(payload)) + payload


def kind(data: bytes, part: str) -> Literal["simulated", "implemented"]:
    """What a bitfile is by its header: "implemented" is for an FPGA.

    Raises PipelineError if it is no .bit file, is cut off, or is for another part than `part`.
    """
    fields, content = bitfile_fields(data)
    if not content or not {"a", "b"} <= fields.keys():
        raise PipelineError("the bitfile has no valid header; build it again")
    if die(fields["b"]) != die(part):
        raise PipelineError(f"the bitfile is for {fields['b']}, and the board has {part}")
    return "simulated" if fields["a"].endswith(_SIMULATED) else "implemented"
