"""The simulated bitfile: a .bit file whose data are the Verilog and the memories of the design.

It has the header that Vivado writes, so that pynq takes it for a bitfile of its part. Only the
virtual board can load it: it compiles what is in it.
"""

from __future__ import annotations

import struct

_START = bytes.fromhex("0ff00ff00ff00ff000")
"""The first field of every .bit file."""
_DATE, _TIME = "1980/01/01", "00:00:00"
"""Fixed, so that the same design makes the same file."""
_WORD = 4
"""pynq turns the data around in words of so many bytes."""


def simulated(part: str, payload: bytes) -> bytes:
    """The .bit file with this payload, filled up to whole words."""
    payload += bytes(-len(payload) % _WORD)
    design = "accelerator;UserID=0XFFFFFFFF;Version=simulated"
    texts = (("a", design), ("b", part.removeprefix("xc")), ("c", _DATE), ("d", _TIME))
    header = struct.pack(">H", len(_START)) + _START + struct.pack(">H", 1)
    for letter, text in texts:
        data = text.encode("ascii") + b"\0"
        header += letter.encode() + struct.pack(">H", len(data)) + data
    return header + b"e" + struct.pack(">I", len(payload)) + payload
