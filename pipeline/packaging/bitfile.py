"""Bitfiles: the simulated one, and what the header of any says.

A simulated bitfile is a .bit file whose data are the Verilog and the memories of the design. It has
the header that Vivado writes, so that pynq takes it for a bitfile of its part. Only the virtual
board can load it: it compiles what is in it.
"""

from __future__ import annotations

import struct
from typing import Literal

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
    texts = _texts(data)
    if texts is None:
        raise PipelineError("the bitfile: no .bit file, or cut off; build it again")
    design, found = texts["a"], texts["b"].removeprefix("xc")
    if not f"{part}-".removeprefix("xc").startswith(f"{found}-"):  # Vivado omits the speed grade
        raise PipelineError(f"the bitfile is for the part {texts['b']}, and the board has {part}")
    return "simulated" if design.endswith(_SIMULATED) else "implemented"


def _texts(data: bytes) -> dict[str, str] | None:
    """The header's fields: a design, b part, c date, d time. None: it is no whole .bit file."""
    at = 2 + len(_START) + 2
    if data[: at - 2] != struct.pack(">H", len(_START)) + _START:
        return None
    found = {}
    for letter in "abcd":
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        text = data[at + 3 : at + 3 + size]
        if data[at : at + 1] != letter.encode() or len(text) < size or not text.endswith(b"\0"):
            return None
        found[letter] = text[:-1].decode("ascii", "replace")
        at += 3 + size
    size = int.from_bytes(data[at + 1 : at + 5], "big")
    whole = data[at : at + 1] == b"e" and len(data) == at + 5 + size
    return found if whole and size else None
