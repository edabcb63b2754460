"""finn_io.json: how software reaches FINN's accelerator, for the drivers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.hardware.graph import HardwareGraph

REGISTERS = {
    "control": 0x00,
    "address_low": 0x10,
    "address_high": 0x14,
    "images": 0x1C,
}
"""Of a DMA that Vitis HLS makes of FINN's C++: its arguments in order, pointers of 64 bits."""
PS_CLOCK_MHZ = 100.0
"""FINN's shell has a PLL: the processing system gives it this clock whatever the accelerator's."""


def document(
    shapes: Mapping[str, Mapping[str, Any]],
    graph: HardwareGraph,
    hwh: Path,
    port_bits: int,
    clock_mhz: float,
    digest: str,
) -> dict[str, Any]:
    """What `Interface` of the driver takes, and clocks.

    shapes: of FINN's streams, see `products.interface`. A stream's dtype is FINN's: the output is
    made of whole bytes. Raises PipelineError if the hwh lacks a DMA, or the streams are not ours.
    """
    bases = _bases(hwh, [shapes[side]["dma"] for side in ("input", "output")])
    base = min(bases.values())
    registers = {
        f"{side}_{name}": bases[shapes[side]["dma"]] - base + offset
        for side in ("input", "output")
        for name, offset in REGISTERS.items()
    }
    return {
        "shell": "finn",
        "base_address": base,
        "port_bits": port_bits,
        "digest": digest,
        "registers": registers,
        "input": _stream(shapes["input"], graph.source.shape),
        "output": _stream(shapes["output"], graph.sink.shape),
        "clock_mhz": clock_mhz,
        "ps_clock_mhz": PS_CLOCK_MHZ,
    }


def _stream(found: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """As in settings.json: FINN's folded rows are our beats."""
    lanes, beats = found["folded"][-1], 1
    for size in found["folded"][:-1]:
        beats *= size
    elements = 1
    for size in shape:
        elements *= size
    if lanes * beats != elements:
        raise PipelineError(
            f"FINN's stream has {beats} beats of {lanes} values, and an image has {elements}"
        )
    return {
        "dtype": found["dtype"],
        "shape": list(shape),
        "lanes": lanes,
        "beats": beats,
        "bytes_per_beat": found["packed"][-1],
    }


def _bases(hwh: Path, names: list[str]) -> dict[str, int]:
    """By DMA: its address, as the block design was built."""
    found: dict[str, int] = {}
    for entry in ET.parse(hwh).getroot().iter("MEMRANGE"):  # noqa: S314 - our own run wrote it
        if entry.get("INSTANCE") in names:
            found[entry.attrib["INSTANCE"]] = int(entry.attrib["BASEVALUE"], 16)
    missing = [name for name in names if name not in found]
    if missing:
        raise PipelineError(f"{hwh}: no address of {', '.join(missing)}; its build is incomplete")
    return found
