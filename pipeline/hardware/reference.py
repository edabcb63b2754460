"""The integer reference: the oracle every other description of the network must equal."""

from __future__ import annotations

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import (
    Edge,
    HardwareGraph,
    LabelSelect,
    Layer,
    Mvau,
    Threshold,
)

FLOAT32_EXACT = 1 << 24
"""Below this every integer and every partial sum is exact in float32 (24-bit significand)."""

FEW_STEPS = 15
"""Up to so many thresholds a channel, comparing with each is faster than searching among them."""


def run(graph: HardwareGraph, images: np.ndarray) -> dict[str, np.ndarray]:
    """Values (int64) of every edge, by edge id, each [N, *edge.shape].

    images: integers of the input datatype, [N, H, W, C] or [N, *source.shape].
    """
    streams = {graph.source.id: images.reshape(-1, *graph.source.shape).astype(np.int64)}
    for layer in graph.layers:
        source, target = graph.edges[layer.input], graph.edges[layer.output]
        streams[target.id] = _apply(layer, source, target, streams[source.id])
    return streams


def _apply(layer: Layer, source: Edge, target: Edge, x: np.ndarray) -> np.ndarray:
    if isinstance(layer, Threshold):
        return apply_thresholds(x, layer.thresholds, layer.offset, target.dtype)
    if isinstance(layer, Mvau):
        acc = accumulate(layer, source.dtype, x)
        if layer.thresholds is None:
            return acc
        return apply_thresholds(acc, layer.thresholds, layer.offset, target.dtype)
    if isinstance(layer, LabelSelect):
        labels: np.ndarray = np.argmax(x, axis=-1).reshape(-1, *target.shape)
        return labels
    raise TypeError(f"no reference for layer kind {layer.kind}")


def accumulate(layer: Mvau, source: DataType, x: np.ndarray) -> np.ndarray:
    """Accumulators of `layer` for inputs x [..., MW]: int64 [..., MH]."""
    dot = exact_matmul(x, layer.weights.T, max(abs(source.min), abs(source.max)))
    return (dot + layer.mw) >> 1 if layer.popcount else dot


def exact_matmul(x: np.ndarray, weights: np.ndarray, greatest: int) -> np.ndarray:
    """x [..., MW] @ weights [MW, MH] as int64, by float BLAS wherever that is exact.

    greatest: bound of |x|. float32 up to 2**24 of sum |w.x|, float64 up to 2**53, integers above.
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
    x: np.ndarray, thresholds: np.ndarray, offset: int, dtype: DataType
) -> np.ndarray:
    """offset + number of thresholds [C, T] at or below x [..., C]; -1/+1 where dtype is BIPOLAR."""
    if thresholds.shape[1] <= FEW_STEPS:
        count = np.zeros(x.shape, np.uint8)
        for step in thresholds.T:
            count += x >= step
    else:
        count = _ranks(x, np.sort(thresholds, axis=1))
    levels = count.astype(np.int64)
    return 2 * levels - 1 if dtype.bipolar else levels + offset


def _ranks(x: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many of `thresholds` [C, T], ascending, are at or below x [..., C]: a binary search."""
    if np.all(thresholds == thresholds[0]):
        return np.searchsorted(thresholds[0], x, side="right")
    # each channel's values side by side: its search stays in the nearest cache
    channels = np.ascontiguousarray(x.reshape(-1, x.shape[-1]).T)
    for values, steps in zip(channels, thresholds, strict=True):
        values[:] = np.searchsorted(steps, values, side="right")
    return np.ascontiguousarray(channels.T).reshape(x.shape)
