"""The end of a network: the scales and shifts after its last layer, and their arg-max."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import Edge, Mvau
from pipeline.streamlining.raw import Raw
from pipeline.streamlining.values import Value
from specs.network import Output

BIAS_ROUNDING = 1e-6
"""Relative rounding error of a float32 bias divided by a product of float32 scales."""


@dataclass(frozen=True, eq=False)
class Tail:
    """What software or an arg-max does with the last accumulators.

    scale, bias: float64 [classes]; a score of the network is accumulator * scale + bias. labels:
    the class of each accumulator, int64 [classes].
    """

    scale: np.ndarray
    bias: np.ndarray
    labels: np.ndarray


def tail_of(raw: Raw, value: Value, output: Output) -> Tail:
    """The tail of a network whose scores are `value`; with output = "label" it adds the arg-max.

    Raises PipelineError if the scores are no vector, or if an arg-max of integers would be wrong.
    """
    edge = raw.edges[value.edge]
    if edge.elements != edge.channels:
        raise PipelineError(
            f"the network ends with a map of {list(edge.shape)} (height, width, classes); one "
            "score a class is supported: end with a pool or a dense layer"
        )
    scale, bias = value.affine()
    if np.any(scale == 0):
        raise PipelineError(f"{raw.nodes[value.edge]}: its scores are multiplied by 0 afterwards")
    if np.any(scale < 0) and isinstance(raw.layers[value.edge], Mvau) and value.sole:
        value = raw.negated(value, np.broadcast_to(scale < 0, (edge.channels,)))
        scale, bias = value.affine()
    if output == "label" and bias.size > 1 and np.ptp(bias) > 0:
        value = _without_popcount(raw, value)
        scale, bias = value.affine()
    scale, bias = (np.array(np.broadcast_to(x, (edge.channels,))) for x in (scale, bias))
    if output == "logits":
        return Tail(scale, bias, np.arange(edge.channels))
    return Tail(scale, bias, _arg_max(raw, value.edge, scale, bias))


def _without_popcount(raw: Raw, value: Value) -> Value:
    """The same with plain sums in place of a popcount, which takes no bias."""
    layer = raw.layers[value.edge]
    if not isinstance(layer, Mvau) or not layer.popcount:
        return value
    _set_sums(raw, replace(layer, popcount=False))
    return replace(value, ops=value.ops[1:])


def _set_sums(raw: Raw, layer: Mvau) -> None:
    """Puts a changed MVAU in its place, with the datatype that its sums need."""
    source, edge = raw.edges[layer.input], raw.edges[layer.output]
    low, high = layer.accumulator_range(source.dtype)
    dtype = DataType.smallest(low, high)
    raw.layers[edge.id] = replace(layer, accumulator=dtype)
    raw.edges[edge.id] = Edge(edge.id, dtype, edge.shape)


def _arg_max(raw: Raw, edge: str, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Adds the index of the greatest x * scale + bias of the integers x [classes] of an edge.

    This is exact. With a common scale, the order is that of x + b with b = bias / scale. So it is
    that of x + floor(b), and the fractions of b decide between equal ones. As the first of equal
    values wins, the classes are sorted by falling fractions. Returns the class of each output,
    int64 [classes]. Raises PipelineError if there is no common positive scale, or only one class.
    """
    classes = len(scale)
    if classes < 2:
        raise PipelineError(
            'output = "label": the network has a single output, and an arg-max needs at least two; '
            'use output = "logits"'
        )
    if scale.min() <= 0 or np.ptp(scale) > BIAS_ROUNDING * scale.max():
        raise PipelineError(
            f'output = "label": {raw.nodes[edge]}: the scores of the classes are scaled by '
            f"different or negative factors ({scale.min():.4g} to {scale.max():.4g}), so an "
            'arg-max of integers is wrong. Use output = "logits"; or one scale for all weights of '
            "the last layer, and no batch norm behind it"
        )
    shifts = (bias - bias.min()) / scale
    whole = np.rint(shifts)
    order = np.arange(classes)
    if np.any(np.abs(shifts - whole) > BIAS_ROUNDING * np.maximum(1, np.abs(whole))):
        whole = np.floor(shifts)
        order = np.argsort(whole - shifts, kind="stable")
    layer = raw.layers[edge]
    if whole.any() or np.any(order != np.arange(classes)):
        if not isinstance(layer, Mvau):
            raise PipelineError(
                f'output = "label": {raw.nodes[edge]}: its scores are shifted by different biases; '
                'this is supported only behind a dense layer; use output = "logits"'
            )
        shift = whole[order].astype(np.int64) if whole.any() else None
        _set_sums(raw, replace(layer, weights=layer.weights[order], bias=shift))
    labels = tuple(order.tolist()) if np.any(order != np.arange(classes)) else None
    raw.select(edge, labels)
    return order
