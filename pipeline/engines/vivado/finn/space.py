"""The design space of a network under FINN's rules, with FINN's cycles and resources."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.engines.space import Option, Space
from pipeline.engines.vivado.finn.estimate import converter_luts
from pipeline.engines.vivado.finn.layers import Context, cost, illegal, refused
from pipeline.errors import PipelineError
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Layer
from pipeline.rtl import folds

SEARCHED = (
    f"{folds.SEARCHED}; of these what FINN can build: SIMD of an MVAU at least MW/1,024, no stream "
    "wider than 8,191 bits; cycles, LUTs and BRAM by FINN's own estimates of its HLS and RTL nodes"
)


def space(graph: HardwareGraph) -> Space:
    """Every fold of each layer that FINN can build. Raises PipelineError if FINN lacks a layer."""
    context = Context.of(graph)
    _require_supported(context)
    layers = graph.layers
    first = [context.types[layer.input].bits for layer in layers]
    second = [context.types[layer.inputs[-1]].bits for layer in layers]
    writer = {edge: i for i, layer in enumerate(layers) for edge in layer.outputs}
    before = tuple(tuple(writer[e] for e in layer.inputs if e in writer) for layer in layers)
    options = tuple(tuple(_options(context, layer)) for layer in layers)
    none = [layer.id for layer, found in zip(layers, options, strict=True) if not found]
    if none:
        raise PipelineError(f"hardware=finn: FINN can build no fold of {', '.join(none)}")
    return Space(
        tuple(layer.id for layer in layers),
        options,
        lambda i, producer, consumer: converter_luts(first[i], producer, consumer),
        graph.source.dtype.bits,
        before,
        lambda i, producer, consumer: converter_luts(second[i], producer, consumer),
        SEARCHED,
    )


def _options(context: Context, layer: Layer) -> Iterator[Option]:
    for fold in folds.folds(layer, context.graph.edges[layer.input]):
        if any(True for _ in illegal(context, layer, fold)):
            continue
        found = cost(context, layer, fold)
        if found.uram:
            continue
        lanes = folds.output_lanes(layer, fold)
        yield Option(fold, found.cycles, fold.simd, lanes, found.lut, found.bram18)


def check_folding(graph: HardwareGraph, folding: Folding) -> None:
    """Raises PipelineError naming every layer whose fold is missing, or that FINN cannot build."""
    folds.check_folding(graph, folding)
    context = Context.of(graph)
    _require_supported(context)
    found = [
        f"{layer.id}: {text}"
        for layer in graph.layers
        for text in illegal(context, layer, folding[layer.id])
    ]
    if found:
        raise PipelineError(f"folding for FINN: {'; '.join(found)}")


def _require_supported(context: Context) -> None:
    found = [
        f"{layer.id}: {text}" for layer in context.graph.layers for text in refused(context, layer)
    ]
    if found:
        raise PipelineError(
            f"hardware=finn: FINN cannot build this network: {'; '.join(found)}; hardware=rtl can"
        )
