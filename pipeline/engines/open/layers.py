"""Synthesis of the whole design, and of each layer and the shell alone, with a cache for those."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from pipeline.engines import Synthesised
from pipeline.engines.rows import BETWEEN, SHELL, less
from pipeline.engines.utilisation import KINDS, Utilisation
from pipeline.hardware.fold import Fold, Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Layer
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.rtl.design import Design, load_design
from pipeline.rtl.generator import generate
from pipeline.rtl.shell.generate import parameters_of, write_alone
from pipeline.rtl.shell.top import TOP
from pipeline.tools.cache import remembered
from pipeline.tools.files import sha256

PARALLEL = 2
"""Number of syntheses at a time. Each takes one core and up to 1.5 GB."""


class Synthesis(Protocol):
    """How a design is synthesised: see OpenEngine."""

    def recipe(self, design: Design, family: str) -> Any: ...

    def run(
        self, design: Design, family: str, prefix: Path, log: Path
    ) -> tuple[Utilisation, float | None]: ...


def synthesise(
    provider: Synthesis, job: Job, graph: HardwareGraph, folding: Folding
) -> Synthesised:
    """Writes netlist.v, and beside it Yosys' counts and timing.

    The total is that of one flat run of the accelerator in its AXI shell. The row of a layer is of
    that layer synthesised alone, and so is that of the shell. The row "between layers" is the
    difference: FIFOs, width converters and signatures, less what flattening saves.
    """
    family, cache = job.spec("board.family", str), job.cache
    design = load_design(job.inputs["rtl"])
    prefix, log = job.folder / "netlist", job.folder / "logs" / "synthesis.log"
    progress("whole design and each layer")
    with job.scratch() as work, ThreadPoolExecutor(PARALLEL) as pool:
        # the whole design first: it takes longest
        whole = pool.submit(provider.run, design.whole, family, prefix, log)
        by_layer = {
            layer.id: pool.submit(
                utilisation, graph, layer, folding[layer.id], provider, family, cache, work
            )
            for layer in graph.layers
        }
        shell = pool.submit(shell_utilisation, design, provider, family, cache, work)
        total, longest_path = whole.result()
        rows = {layer: future.result() for layer, future in by_layer.items()}
        rows[SHELL] = shell.result()
    rows[BETWEEN] = less(total, rows)
    figures: Metrics = {}
    if longest_path is not None:
        figures["longest_cell_path"] = Figure(longest_path, "ns, cells only", "synthesised")
    return Synthesised(rows, total, figures)


def alone(graph: HardwareGraph, layer: Layer) -> HardwareGraph:
    """The graph that consists of `layer` only."""
    edges = {edge: graph.edges[edge] for edge in (*layer.inputs, *layer.outputs)}
    return HardwareGraph(f"{graph.name}.{layer.id}", graph.input, edges, (layer,))


def utilisation(
    graph: HardwareGraph,
    layer: Layer,
    fold: Fold,
    provider: Synthesis,
    family: str,
    cache: Path,
    work: Path,
) -> Utilisation:
    """The resources of `layer` with the fold `fold`, from the cache or by synthesis.

    cache: the cache of the build folder. work: a folder for the design and the engine's log.
    """
    design = generate(alone(graph, layer), {layer.id: fold}, {}, work / layer.id)
    return _cached(design, provider, family, cache / "layers")


def shell_utilisation(
    design: Design, provider: Synthesis, family: str, cache: Path, work: Path
) -> Utilisation:
    """The resources of the design's shell without the accelerator, likewise."""
    assert design.shell is not None, "the rtl stage writes one"
    parameters = parameters_of(design, design.shell.port_bits, design.shell.address_bits)
    folder = work / "axi_shell"
    sources = write_alone(parameters, folder)
    single = replace(design, folder=folder, sources=sources, top=TOP, memories=(), shell=None)
    return _cached(single, provider, family, cache / "layers")


def _cached(design: Design, provider: Synthesis, family: str, cache: Path) -> Utilisation:
    """The resources of a part of a design, from the cache or by synthesis."""
    folder = design.folder
    made_of = {
        "recipe": provider.recipe(design, family),
        "files": {name: sha256(folder / name) for name in (*design.sources, *design.memories)},
        "counts": KINDS,
    }

    def found() -> bytes:
        done, _ = provider.run(design, family, folder / "part", folder / "synthesis.log")
        return json.dumps(done.document()).encode()

    return Utilisation(**json.loads(remembered(cache, made_of, found)))
