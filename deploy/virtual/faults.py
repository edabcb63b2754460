"""What can go wrong with a virtual board, each switched on by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.errors import SpecError, nearest


@dataclass(frozen=True)
class Fault:
    """One fault.

    value: a pattern that the part after `=` must match. default: its value where it is left out;
    None: it must be given.
    """

    meaning: str
    value: str = ""
    default: str | None = ""


FAULTS = {
    "dma-hang": Fault(
        "A DMA never ends: the memory stops answering its bursts. Value: input or output.",
        "input|output",
        "input",
    ),
    "bus-error": Fault(
        "The memory answers a DMA with an error. Value: input-slave, input-decode, output-slave or "
        "output-decode.",
        "(input|output)-(slave|decode)",
        "input-slave",
    ),
    "wrong-part": Fault(
        "The board has another FPGA than its name says. Value: the part.",
        "[a-z0-9-]+",
        "xc7z010clg400-1",
    ),
    "no-flush": Fault(
        "What the processor writes into a buffer never reaches the memory, as if the driver forgot "
        "to flush."
    ),
    "bit-flip": Fault(
        "One bit of one stream is wrong. Value: the stream's edge, then optionally `:first beat` "
        "and `:chance` (0 to 1, of each beat; below 1 two runs differ).",
        r"[A-Za-z0-9_.\-]+(:\d+(:(0?\.\d+|1|1\.0))?)?",
        None,
    ),
    "stale-bitfile": Fault(
        "A bitfile is not loaded if the board has an earlier one: that is loaded, and nothing is "
        "said. Value: name (an earlier one of the same name) or any.",
        "name|any",
        "name",
    ),
    "slow-link": Fault("The network is slow. Value: kB/s.", r"[1-9]\d*", "256"),
    "dropped-connection": Fault(
        "The first connection that has brought so much breaks. Value: kB.", r"\d+", "64"
    ),
    "full-disk": Fault("The disk is nearly full. Value: kB that are left.", r"\d+", "64"),
    "wrong-host-key": Fault("The board has another host key than known_hosts says."),
}


def parse(words: Iterable[str]) -> dict[str, str]:
    """Faults by name from words such as "slow-link=100". Raises SpecError."""
    found: dict[str, str] = {}
    for word in words:
        name, given, value = word.partition("=")
        if name not in FAULTS:
            raise SpecError(f"fault {name}: no such fault; {nearest(name, FAULTS)}")
        fault = FAULTS[name]
        if not given:
            if fault.default is None:
                raise SpecError(f"fault {name}: needs a value, as in {name}=...; {fault.meaning}")
            value = fault.default
        if not re.fullmatch(fault.value, value):
            raise SpecError(f"fault {name}={value}: not such a value; {fault.meaning}")
        found[name] = value
    return found
