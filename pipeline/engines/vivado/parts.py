"""What is known of the parts before Vivado runs: where they are installed, what they need."""

from __future__ import annotations

import re
from dataclasses import dataclass

FREE = re.compile(
    r"xc7z(007s|010|012s|014s|015|020|030)|xczu[123457](cg|eg|ev)?|xczu1t?cg|xck2[46]",
    re.IGNORECASE,
)
"""Devices of the free edition: WebPACK, later ML Standard (UG973, "Supported Devices").

That xczu7ev is one of them is also told in Xilinx/PYNQ issue 960; xczu9eg (ZCU102) is none."""


@dataclass(frozen=True)
class Needs:
    """The least that a run needs, and what it may need. Estimates, not measured here."""

    memory_gib: float
    likely_memory_gib: float
    disk_gib: float
    likely_disk_gib: float


def needs_of(part: str, hardware: str) -> Needs:
    """By the size of the device. The vendor's own table of memory has such figures by part.

    FINN keeps every IP core's project, so it needs more of the disk.
    """
    device = device_of(part)
    if device.startswith("xc7z"):
        memory = (2.0, 4.0)
    elif re.match(r"xczu[123](?!\d)|xck24", device):
        memory = (4.0, 8.0)
    else:
        memory = (6.0, 16.0)
    return Needs(*memory, *((5.0, 20.0) if hardware == "finn" else (2.0, 5.0)))


def device_of(part: str) -> str:
    """The device in the name of a part: "xc7z020" of "xc7z020clg400-1"."""
    found = re.match(r"xc7z\d{3}s?|xczu\d+[a-z]{2}|xck\d+", part, re.IGNORECASE)
    return part.lower() if found is None else found[0].lower()


def parts_folder(family: str) -> str:
    """The folder of a family's parts in data/parts/xilinx of an installation."""
    return {"zynq-7000": "zynq", "zynq-us+": "zynquplus"}[family]
