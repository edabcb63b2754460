"""The resources of single layers: each is synthesised alone, and the result is cached."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.engines import Engine
from pipeline.engines.utilisation import KINDS, Utilisation
from pipeline.hardware.fold import Fold
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Layer
from pipeline.rtl.generator import generate
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
    folder = work / layer.id
    design = generate(alone(graph, layer), {layer.id: fold}, {}, folder)
    made_of = {
        "recipe": provider.recipe(design, family),
        "files": {name: sha256(folder / name) for name in (*design.sources, *design.memories)},
        "counts": KINDS,
    }

    def found() -> bytes:
        done = provider.synthesise(design, family, folder / "layer", folder / "synthesis.log")
        return json.dumps(done.utilisation.document()).encode()

    return Utilisation(**json.loads(remembered(cache / "layers", made_of, found)))
