"""The integer reference: executes a hardware graph. All other forms of a network must equal it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Add,
    Edge,
    Fork,
    LabelSelect,
    MaxPool,
    Mvau,
    Pad,
    Pair,
    Select,
    SlidingWindow,
    SumPool,
    Threshold,
)

FLOAT32_EXACT = 1 << 24
"""Up to this bound every integer and every partial sum is exact in float32 (24-bit significand)."""

BATCH_VALUES = 1 << 24
"""The most values of all streams together in one batch: some tens of MiB."""

FEW_STEPS = 15
"""With so many thresholds per channel or fewer, comparing with each is faster than a binary
search."""


def run(
    graph: HardwareGraph, images: np.ndarray, keep: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Computes the values of every edge. Returns them by edge id, each [N, *edge.shape].

    images: integers of the input datatype, [N, H, W, C] or [N, *source.shape]. keep: the edges to
    return; None for all. Leave out the windows of convolutions where you can: they take many times
    the memory of their input. Arrays are of the edge's `storage` type.
    """
    source = graph.source
    streams = {source.id: images.reshape(-1, *source.shape).astype(source.dtype.storage)}
    for layer in graph.layers:
        source, target = graph.edges[layer.input], graph.edges[layer.output]
        values = [streams[name] for name in layer.inputs]
        found = REFERENCES[layer.kind](layer, source, target, *values)
        found = found.reshape(len(found), *target.shape)  # a map may leave as a vector
        for name in layer.outputs:
            streams[name] = found.astype(target.dtype.storage, copy=False)
        for name in layer.inputs:  # which no other layer reads
            if keep is not None and name not in keep:
                del streams[name]
    return streams


def batches(graph: HardwareGraph, images: np.ndarray) -> Iterator[np.ndarray]:
    """Splits `images` so that all streams of a part together have about BATCH_VALUES values."""
    values = sum(edge.elements for edge in graph.edges.values())
    size = max(1, BATCH_VALUES // values)
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _threshold(layer: Threshold, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    return apply_thresholds(x, layer.thresholds, layer.offset, target.dtype, layer.falling)


def _mvau(layer: Mvau, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    acc = accumulate(layer, source.dtype, x.reshape(len(x), *target.shape[:-1], layer.mw))
    if layer.thresholds is None:
        return acc
    return apply_thresholds(acc, layer.thresholds, layer.offset, target.dtype)


def _label_select(layer: LabelSelect, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    greatest: np.ndarray = np.argmax(x, axis=-1)
    if layer.labels is not None:
        greatest = np.asarray(layer.labels)[greatest]
    return greatest.reshape(-1, *target.shape)


def _swg(layer: SlidingWindow, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, layer.kernel, axis=(1, 2))
    strided = windows[:, :: layer.stride[0], :: layer.stride[1]]  # [N, OH, OW, C, KH, KW]
    found = strided.transpose(0, 1, 2, 4, 5, 3).reshape(len(x), *target.shape[:2], -1)
    return found if layer.kept is None else found[..., list(layer.kept)]


def _pad(layer: Pad, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    return np.pad(x, ((0, 0), layer.rows, layer.columns, (0, 0)))


def _max_pool(layer: MaxPool, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    found: np.ndarray = _windows(x, layer.kernel, target).max((2, 4))
    return found


def _sum_pool(layer: SumPool, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    windows = _windows(x, layer.window(source), target)
    total: np.ndarray = windows.sum((2, 4), dtype=np.int64) >> layer.shift
    return total


def _windows(x: np.ndarray, kernel: Pair, target: Edge) -> np.ndarray:
    """The windows without overlap of x: [N, rows, KH, columns, KW, C]."""
    (high, wide), (rows, columns, channels) = kernel, target.shape
    whole = x[:, : rows * high, : columns * wide]
    return whole.reshape(len(x), rows, high, columns, wide, channels)


def _fork(layer: Fork, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    return x


def _add(layer: Add, source: Edge, target: Edge, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    kind, (first, second) = target.dtype.storage, layer.factors
    found: np.ndarray = _times(x, first, kind) + _times(other, second, kind)
    return found


def _select(layer: Select, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)[:, list(layer.kept)]


def _times(x: np.ndarray, factor: int, kind: type[np.signedinteger[Any]]) -> np.ndarray:
    """x * factor modulo the range of `kind`, which is enough where the sum is within it."""
    return x.astype(kind) if factor == 1 else (x.astype(np.int64) * factor).astype(kind)


REFERENCES: dict[str, Callable[..., np.ndarray]] = {
    Threshold.kind: _threshold,
    Mvau.kind: _mvau,
    LabelSelect.kind: _label_select,
    SlidingWindow.kind: _swg,
    Pad.kind: _pad,
    MaxPool.kind: _max_pool,
    SumPool.kind: _sum_pool,
    Fork.kind: _fork,
    Add.kind: _add,
    Select.kind: _select,
}
"""By layer kind: a function of the layer, its first input and output edge and the values [N,
*shape] of every input. It returns the values of the outputs."""


def accumulate(layer: Mvau, source: DataType, x: np.ndarray) -> np.ndarray:
    """The accumulators of `layer` for inputs x [..., MW]: int64 [..., MH]."""
    dot = exact_matmul(x, layer.weights.T, max(abs(source.min), abs(source.max)))
    if layer.popcount:
        return (dot + layer.mw) >> 1
    return dot if layer.bias is None else dot + layer.bias


def exact_matmul(x: np.ndarray, weights: np.ndarray, greatest: int) -> np.ndarray:
    """x [..., MW] @ weights [MW, MH] as int64, computed by float BLAS wherever that is exact.

    greatest: bound of |x|. If sum |w.x| is at most 2**24 it computes in float32, up to 2**53 in
    float64, above in integers.
    """
    bound = greatest * int(np.abs(weights).sum(axis=0).max())
    if bound <= FLOAT32_EXACT:
        kind: type = np.float32
    elif bound <= 1 << 53:
        kind = np.float64
    else:
        kind = np.int64
    product: np.ndarray = x.astype(kind) @ weights.astype(kind)
    return product.astype(np.int64)


def apply_thresholds(
    x: np.ndarray,
    thresholds: np.ndarray,
    offset: int,
    dtype: DataType,
    falling: np.ndarray | None = None,
) -> np.ndarray:
    """offset + the number of thresholds [C, T] that x [..., C] reaches; BIPOLAR: -1 or +1.

    Where `falling` [C] is set, it is the number of those that x does not reach.
    """
    if thresholds.shape[1] <= FEW_STEPS:
        count = np.zeros(x.shape, np.uint8)
        for step in thresholds.T:
            count += x >= step
    else:
        count = _ranks(x, np.sort(thresholds, axis=1))
    if falling is not None:
        count = np.where(falling, thresholds.shape[1] - count, count)
    levels = count.astype(np.int64)
    return 2 * levels - 1 if dtype.bipolar else levels + offset


def _ranks(x: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many of the ascending `thresholds` [C, T] are at most x [..., C], by a binary search."""
    if np.all(thresholds == thresholds[0]):
        return np.searchsorted(thresholds[0], x, side="right")
    # each channel's values side by side: its search stays in the nearest cache; a rank may
    # exceed int8
    kind = np.promote_types(x.dtype, np.int16)
    channels = np.array(x.reshape(-1, x.shape[-1]).T, kind, order="C")
    for values, steps in zip(channels, thresholds, strict=True):
        values[:] = np.searchsorted(steps, values, side="right")
    return np.ascontiguousarray(channels.T).reshape(x.shape)
