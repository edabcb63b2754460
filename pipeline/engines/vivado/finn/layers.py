"""The nodes that FINN makes of each layer, what they cost under a fold, and what FINN refuses.

The folds are those of our own library that FINN can build, too. So the search and the certificates
stay the same, and our simulator can run every fold that is chosen here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, gcd
from typing import Any

import numpy as np

from pipeline.engines.vivado.finn.estimate import (
    MAX_STREAM_BITS,
    Cost,
    Matrix,
    Window,
    thresholding,
)
from pipeline.engines.vivado.finn.types import (
    edge_types,
    mvau_types,
    threshold_bits,
    weight_bits,
)
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Add,
    Fork,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    Select,
    SlidingWindow,
    SumPool,
    Threshold,
)
from pipeline.rtl.folds import is_whole_window

MAX_COLUMNS = 1024
"""Vitis HLS gives up on an MVAU that needs more steps for a row; FINN asserts it."""


@dataclass(frozen=True)
class Context:
    """A graph with FINN's datatypes of its edges."""

    graph: HardwareGraph
    types: dict[str, DataType]

    @staticmethod
    def of(graph: HardwareGraph) -> Context:
        return Context(graph, edge_types(graph))

    def source(self, layer: Layer) -> DataType:
        return self.types[layer.input]

    def target(self, layer: Layer) -> DataType:
        return self.types[layer.output]


def cost(context: Context, layer: Layer, fold: Fold) -> Cost:
    """What FINN estimates for all nodes of a layer."""
    return NODES[layer.kind].cost(context, layer, fold)


def illegal(context: Context, layer: Layer, fold: Fold) -> Iterator[str]:
    """Why FINN cannot build a fold, which is legal for our own library."""
    yield from NODES[layer.kind].illegal(context, layer, fold)
    edges = (*layer.inputs, *layer.outputs)
    lanes = [fold.simd] * len(layer.inputs) + [fold.pe] * len(layer.outputs)
    for edge, count in zip(edges, lanes, strict=True):
        bits = count * context.types[edge].bits
        if bits > MAX_STREAM_BITS:
            yield f"the stream {edge} has {bits:,} bits a beat; FINN takes {MAX_STREAM_BITS:,}"


def refused(context: Context, layer: Layer) -> Iterator[str]:
    """Why FINN has no node for a layer, however it is folded."""
    yield from NODES[layer.kind].refused(context, layer)


def reshape_lanes(first: int, last: int, wanted: int) -> int:
    """The lanes of a Reshape between axes of these lengths: at least `wanted`, if it can.

    first, last: the last axis before it and behind it.
    """
    most = gcd(first, last)
    legal = [lanes for lanes in range(1, most + 1) if most % lanes == 0]
    return next((lanes for lanes in legal if lanes >= wanted), most)


def matrix(context: Context, layer: Mvau) -> Matrix:
    graph, source = context.graph, context.source(layer)
    types = mvau_types(layer, source, last=layer.output == graph.sink.id)
    vectors = graph.edges[layer.input].elements // layer.mw
    bits = types.accumulator.bits
    return Matrix(layer.mh, layer.mw, vectors, types.weight, source, bits)


def _levels(
    thresholds: np.ndarray, source: DataType, target: DataType, vectors: int, pe: int
) -> Cost:
    bits = threshold_bits(thresholds, source)
    return thresholding(vectors, len(thresholds), pe, bits, target.bits)


def _threshold(context: Context, layer: Threshold, fold: Fold) -> Cost:
    edge, source = context.graph.edges[layer.input], context.source(layer)
    thresholds = layer.thresholds
    if layer.falling is not None:
        # FINN turns the sign of these channels first, by a multiplication with -1 or 1
        source = DataType(f"INT{source.bits + 2}")
        turned = 1 - thresholds[:, ::-1]
        thresholds = np.where(layer.falling[:, None], turned, thresholds)
    return _levels(thresholds, source, context.target(layer), edge.vectors, fold.pe)


def _mvau(context: Context, layer: Mvau, fold: Fold) -> Cost:
    graph, source = context.graph, context.source(layer)
    shape = matrix(context, layer)
    found = shape.cost(fold.pe, fold.simd, block=fold.ram_style == "block")
    types = mvau_types(layer, source, last=layer.output == graph.sink.id)
    if layer.bias is not None:  # an addition, whose constants are free there
        found += Cost(shape.vectors * layer.mh // fold.pe)
    if layer.thresholds is not None:
        target = context.target(layer)
        found += _levels(layer.thresholds, types.biased, target, shape.vectors, fold.pe)
    return found


def _mvau_illegal(context: Context, layer: Mvau, fold: Fold) -> Iterator[str]:
    least = ceil(layer.mw / MAX_COLUMNS)
    if fold.simd < least:
        yield f"SIMD {fold.simd}; Vitis HLS needs at least MW/{MAX_COLUMNS:,}, here {least}"
    shape = matrix(context, layer)
    for what, bits in (
        ("the weights have", fold.pe * fold.simd * shape.weight),
        ("the sums have", fold.pe * shape.accumulator),
    ):
        if bits > MAX_STREAM_BITS:
            yield f"{what} {bits:,} bits a beat; FINN takes at most {MAX_STREAM_BITS:,}"


def _mvau_refused(context: Context, layer: Mvau) -> Iterator[str]:
    if layer.popcount:
        return
    low, high = int(layer.weights.min()), int(layer.weights.max())
    if weight_bits(low, high) == 1:
        yield f"all its weights lie in {low}..{high}; FINN's MVAU takes no such weights of one bit"
    if context.source(layer).name == "UINT1":
        yield "its input is 0 or 1; FINN's MVAU takes inputs of one bit only as -1 and +1"


def _label_select(context: Context, layer: LabelSelect, fold: Fold) -> Cost:
    return Cost(context.graph.edges[layer.input].elements // fold.pe)


def _label_select_refused(context: Context, layer: LabelSelect) -> Iterator[str]:
    if layer.labels is not None:
        yield "its classes have an order of their own; FINN's label select has none"


def _swg(context: Context, layer: SlidingWindow, fold: Fold) -> Cost:
    source = context.graph.edges[layer.input]
    whole = is_whole_window(layer, fold, source) and fold.pe != fold.simd
    block = fold.ram_style == "block"
    return window(context, layer, layer.kernel, layer.stride).cost(
        fold.simd, whole=whole, block=block
    )


def _pruned(context: Context, layer: SlidingWindow | Select) -> Iterator[str]:
    if layer.kept is not None:
        yield (
            f"it gives only {len(layer.kept):,} of its values: columns were pruned, which FINN's "
            "layers cannot leave out"
        )


def window(
    context: Context, layer: Layer, kernel: tuple[int, int], stride: tuple[int, int]
) -> Window:
    height, width, channels = context.graph.edges[layer.input].shape
    bits, pool = context.source(layer).bits, isinstance(layer, MaxPool | SumPool)
    return Window((height, width, channels), kernel, stride, bits, depthwise=pool)


def _pad(context: Context, layer: Pad, fold: Fold) -> Cost:
    graph, edge = context.graph, context.graph.edges[layer.output]
    found = Cost(edge.elements // fold.pe)
    reader = next((x for x in graph.layers if layer.output in x.inputs), None)
    if isinstance(reader, SlidingWindow):
        return found
    # FINN pads only in front of a window, so that one of a single pixel follows
    height, width, channels = edge.shape
    one = Window((height, width, channels), (1, 1), (1, 1), context.target(layer).bits)
    return found + one.cost(fold.pe)


def _pool(context: Context, layer: MaxPool | SumPool, fold: Fold) -> Cost:
    """A window channel by channel, and a node that reads it."""
    source = context.graph.edges[layer.input]
    kernel = layer.kernel if isinstance(layer, MaxPool) else layer.window(source)
    assert kernel is not None, "a sum pool's window is known here"
    before = window(context, layer, kernel, kernel)
    rows, columns = before.out
    inside = kernel[0] * kernel[1]
    return before.cost(fold.simd) + Cost(source.channels * inside // fold.pe * rows * columns)


def _sum_pool_refused(context: Context, layer: SumPool) -> Iterator[str]:
    source = context.graph.edges[layer.input]
    high, wide = layer.window(source)
    greatest = ((1 << source.dtype.bits) - 1) * high * wide
    if high != wide:
        yield f"sums over {high}x{wide} pixels; FINN has square windows only"
    elif greatest.bit_length() <= layer.shift:
        yield f"shifts its sums by {layer.shift} bits; FINN keeps at least one"


def _stream(context: Context, layer: Layer, fold: Fold) -> Cost:
    return Cost(context.graph.edges[layer.input].elements // fold.pe)


def _nothing(context: Context, layer: Layer, *rest: Any) -> Iterator[str]:
    yield from ()


@dataclass(frozen=True)
class Nodes:
    """A layer kind in FINN.

    cost: of all its nodes. illegal: reasons against a fold. refused: reasons against the layer.
    """

    cost: Callable[[Context, Any, Fold], Cost]
    illegal: Callable[[Context, Any, Fold], Iterator[str]] = _nothing
    refused: Callable[[Context, Any], Iterator[str]] = _nothing


NODES: dict[str, Nodes] = {
    Threshold.kind: Nodes(_threshold),
    Mvau.kind: Nodes(_mvau, _mvau_illegal, _mvau_refused),
    LabelSelect.kind: Nodes(_label_select, refused=_label_select_refused),
    SlidingWindow.kind: Nodes(_swg, refused=_pruned),
    Pad.kind: Nodes(_pad),
    MaxPool.kind: Nodes(_pool),
    SumPool.kind: Nodes(_pool, refused=_sum_pool_refused),
    Fork.kind: Nodes(_stream),
    Add.kind: Nodes(_stream),
    Select.kind: Nodes(_stream, refused=_pruned),
}
"""By layer kind."""
