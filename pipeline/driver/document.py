"""settings.json: all that the drivers must know of one build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.driver.board.settings import SCHEMA_VERSION
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Figure
from pipeline.rtl.design import Design, Stream
from pipeline.rtl.shell import registers
from specs import catalog
from specs.board import BoardSpec

BitfileKind = Literal["simulated", "implemented"]

MARGIN = 10
"""A batch may take this many times its predicted cycles: the memory may be slow."""
LEAST_CYCLES = 100_000
"""And so many cycles more, however small it is."""
_TIMES: Mapping[BitfileKind, Mapping[str, float]] = {
    # a simulated accelerator is some ten thousand times slower than its clock says
    "simulated": {"least_s": 3600, "stall_s": 60, "reset_s": 5},
    "implemented": {"least_s": 2, "stall_s": 1, "reset_s": 1},
}


@dataclass(frozen=True)
class Target:
    """The board of a build, and the clock of its accelerator."""

    name: str
    part: str
    family: str
    clock_mhz: float


@dataclass(frozen=True)
class Interface:
    """How the processor reaches the accelerator.

    shell: "own", or "finn", which has only the registers of the two DMAs. fclk0_mhz: what the
    processor's first clock must be; FINN's shell makes the accelerator's from it. digest:
    identifies the build, and with our shell the design in the FPGA. registers: offsets by name.
    input, output: the streams, as in settings.json. signatures: those that have one, likewise.
    """

    shell: Literal["own", "finn"]
    fclk0_mhz: float
    base_address: int
    port_bits: int
    digest: str
    registers: Mapping[str, int]
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    signatures: Sequence[Mapping[str, Any]] = ()


def own_interface(graph: HardwareGraph, design: Design, target: Target) -> Interface:
    """That of our own shell around `design`."""
    shell = design.shell
    assert shell is not None, "the rtl stage writes a shell around every design"
    return Interface(
        "own",
        target.clock_mhz,
        registers.BASE[target.family],
        shell.port_bits,
        shell.digest,
        {register.name: register.offset for register in registers.REGISTERS},
        stream_entry(design.stream(design.input)),
        stream_entry(design.stream(design.output)),
        [
            {
                "edge": edge,
                "layer": writer(graph, edge),
                "beats": design.stream(edge).beats,
                "offset": registers.signature_offset(k),
            }
            for k, edge in enumerate(shell.signatures)
        ],
    )


def settings(
    unit: str,
    graph: HardwareGraph,
    interface: Interface,
    target: Target,
    figures: Mapping[str, Figure],
) -> dict[str, Any]:
    """The document, without the bitfile, which is not made yet. See `with_bitfile`.

    figures: what is predicted; `ii` and `latency`, in cycles, are required.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "unit": unit,
        "network": graph.name,
        "board": target.name,
        "part": target.part,
        "family": target.family,
        "clock_mhz": target.clock_mhz,
        "shell": interface.shell,
        "fclk0_mhz": interface.fclk0_mhz,
        "base_address": interface.base_address,
        "port_bits": interface.port_bits,
        "magic": registers.MAGIC,
        "abi": registers.ABI,
        "digest": interface.digest,
        "bitfile": None,
        "registers": dict(interface.registers),
        "input": {**interface.input, "contract": graph.input.model_dump(mode="json")},
        "output": {
            **interface.output,
            "kind": graph.post.output,
            "scale": list(graph.post.scale),
            "bias": list(graph.post.bias),
        },
        "signatures": {"on": bool(interface.signatures), "streams": list(interface.signatures)},
        "predicted": {
            "ii_cycles": figures["ii"].value,
            "latency_cycles": figures["latency"].value,
            "figures": {
                name: {"value": figure.value, "unit": figure.unit, "kind": figure.kind}
                for name, figure in figures.items()
            },
        },
        "timeouts": _timeouts("simulated"),
        "parts": _parts(target),
    }


def with_bitfile(
    document: Mapping[str, Any], file: str, hwh: str, sha256: str, kind: BitfileKind
) -> dict[str, Any]:
    """The document with its bitfile, and the time limits that suit it."""
    bitfile = {"file": file, "hwh": hwh, "sha256": sha256, "kind": kind}
    return {**document, "bitfile": bitfile, "timeouts": _timeouts(kind)}


def _timeouts(kind: BitfileKind) -> dict[str, float]:
    return {"margin": MARGIN, "least_cycles": LEAST_CYCLES, **_TIMES[kind]}


def stream_entry(stream: Stream) -> dict[str, Any]:
    return {
        "dtype": stream.dtype.name,
        "shape": list(stream.shape),
        "lanes": stream.lanes,
        "beats": stream.beats,
        "bytes_per_beat": -(-stream.width // 8),
    }


def _parts(target: Target) -> dict[str, str]:
    """The part of every board that we know by name, so that a wrong board is told at once."""
    names = catalog.names(BoardSpec)
    known = {name: catalog.find(BoardSpec, "board", name, Path())[1] for name in names}
    return {**{name: board.part for name, board in known.items()}, target.name: target.part}


def writer(graph: HardwareGraph, edge: str) -> str:
    """The layer that writes an edge; "input" for the one that the DMA writes."""
    return next((layer.id for layer in graph.layers if edge in layer.outputs), "input")
