"""Turns a folded hardware graph into a design: Verilog, memory files, design.json."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl import accelerator
from pipeline.rtl.design import TOP, Design, Fifo, Stream, save_design
from pipeline.rtl.folds import check_folding, cycles
from pipeline.rtl.layers import Instance, instance
from pipeline.rtl.modules import copy_modules, needed_modules
from pipeline.rtl.streams import links
from pipeline.rtl.sums_text import text as sums_text

LIBRARY = Path(__file__).parent / "library"
WAIVERS = "lint.vlt"


def generate(
    graph: HardwareGraph,
    folding: Folding,
    depths: Mapping[str, int],
    folder: Path,
    *,
    signatures: bool = False,
) -> Design:
    """Writes the design into `folder` (made if missing) and returns it.

    signatures: gives every stream a signature register (signature.v).

    depths: the depth in beats of each edge's FIFO, by edge id; with 0, or without an entry, there
    is no FIFO. `streams.Link` says which beats these are. Raises PipelineError if the folding is
    illegal, or if a depth is negative or names no edge.
    """
    check_folding(graph, folding)
    wrong = [
        f"{edge}: {depth}" for edge, depth in depths.items() if edge not in graph.edges or depth < 0
    ]
    if wrong:
        raise PipelineError(f"FIFO depths: no such edge, or a negative depth: {', '.join(wrong)}")
    folder.mkdir(parents=True, exist_ok=True)
    names = accelerator.Names(graph)
    joined = links(graph, folding)
    instances = _instances(graph, folding)
    memories = write_memories(graph, folding, folder)
    text = accelerator.text(graph, instances, joined, depths, names, signatures)
    (folder / f"{TOP}.v").write_text(text)
    sums = {
        names.sums(layer): sums_text(made.sums, names.sums(layer))
        for layer, made in instances.items()
        if made.sums is not None
    }
    for name, written in sums.items():
        (folder / f"{name}.v").write_text(written)
    modules = copy_modules(needed_modules("\n".join([text, *sums.values()])), folder)
    shutil.copyfile(LIBRARY / WAIVERS, folder / WAIVERS)
    design = Design(
        folder=folder,
        top=TOP,
        sources=(*modules, *(f"{name}.v" for name in sums), f"{TOP}.v"),
        waivers=WAIVERS,
        memories=tuple(memories),
        memory_bits=sum(memories.values()),
        input=graph.source.id,
        output=graph.sink.id,
        streams=tuple(
            Stream(
                edge=name,
                signal=names.edges[name],
                dtype=link.edge.dtype,
                shape=link.edge.shape,
                lanes=link.producer_lanes,
                beats=link.edge.vectors * link.edge.channels // link.producer_lanes,
            )
            for name, link in joined.items()
        ),
        fifos=tuple(
            Fifo(name, names.fifo(name), depths[name], link.fifo_width)
            for name, link in joined.items()
            if depths.get(name, 0)
        ),
        cycles={
            layer.id: cycles(layer, folding[layer.id], graph.edges[layer.input])
            for layer in graph.layers
        },
        signatures=tuple(joined) if signatures else (),
    )
    save_design(design)
    return design


def write_memories(graph: HardwareGraph, folding: Folding, folder: Path) -> dict[str, int]:
    """Writes only the memory files of the design into `folder`; returns the bits of each.

    If another graph differs only in weights and thresholds, its files fit the same design.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = accelerator.Names(graph)
    written = {}
    for layer_id, made in _instances(graph, folding).items():
        files = {names.memory(layer_id, key): memory for key, memory in made.memories.items()}
        if made.sums is not None:
            files[names.signs(layer_id)] = made.sums.signs
        for parameter, bank in made.banks.items():
            stem = names.stem(layer_id, parameter)
            files |= {f"{stem}{suffix}.hex": memory for suffix, memory in bank.items()}
        for name, memory in files.items():
            (folder / name).write_text(memory.text())
            written[name] = memory.words.size
    return written


def _instances(graph: HardwareGraph, folding: Folding) -> dict[str, Instance]:
    return {layer.id: instance(graph, layer, folding[layer.id]) for layer in graph.layers}
