"""The resources of the layers and of the shell, each synthesised alone, the result cached."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pipeline.engines import Engine
from pipeline.engines.utilisation import KINDS, Utilisation
from pipeline.hardware.fold import Fold
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Layer
from pipeline.rtl.design import Design
from pipeline.rtl.generator import generate
from pipeline.rtl.shell.generate import parameters_of, write_alone
from pipeline.rtl.shell.top import TOP
from pipeline.tools.cache import remembered
from pipeline.tools.files import sha256


def alone(graph: HardwareGraph, layer: Layer) -> HardwareGraph:
    """The graph that consists of `layer` only."""
    edges = {edge: graph.edges[edge] for edge in (*layer.inputs, *layer.outputs)}
    return HardwareGraph(f"{graph.name}.{layer.id}", graph.input, edges, (layer,))


def utilisation(
    graph: HardwareGraph,
    layer: Layer,
    fold: Fold,
    provider: Engine,
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
    design: Design, provider: Engine, family: str, cache: Path, work: Path
) -> Utilisation:
    """The resources of the design's shell without the accelerator, likewise."""
    assert design.shell is not None, "the rtl stage writes one"
    parameters = parameters_of(design, design.shell.port_bits, design.shell.address_bits)
    folder = work / "axi_shell"
    sources = write_alone(parameters, folder)
    single = replace(design, folder=folder, sources=sources, top=TOP, memories=(), shell=None)
    return _cached(single, provider, family, cache / "layers")


def _cached(design: Design, provider: Engine, family: str, cache: Path) -> Utilisation:
    """The resources of a part of a design, from the cache or by synthesis."""
    folder = design.folder
    made_of = {
        "recipe": provider.recipe(design, family),
        "files": {name: sha256(folder / name) for name in (*design.sources, *design.memories)},
        "counts": KINDS,
    }

    def found() -> bytes:
        done = provider.synthesise(design, family, folder / "part", folder / "synthesis.log")
        return json.dumps(done.utilisation.document()).encode()

    return Utilisation(**json.loads(remembered(cache, made_of, found)))
