"""Convolutions and dense layers: their integer weights, and what their sums mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.qonnx.edit import attributes, where
from pipeline.streamlining.raw import SOURCE
from pipeline.streamlining.tracker import Tracker
from pipeline.streamlining.values import Affine, Value

EQUAL = 2.0**-20
"""Relative difference up to which two scales are the same: float32 rounding."""


def product(tracker: Tracker, node: Any) -> Value:
    """Conv, MatMul or Gemm with quantised weights."""
    value = tracker.computed(tracker.only(node))
    given = attributes(node)
    weights = tracker.constants.weights(node.input[1], node)
    integers, scale = weights.integers, np.broadcast_to(weights.scale, weights.integers.shape)
    turned = node.op_type == "Conv" or given.get("transB", 0)
    if not turned:
        integers, scale = integers.T, scale.T
    rows = len(integers)
    by_row = scale.reshape(rows, -1)
    if np.any(by_row != by_row[:, :1]):
        raise PipelineError(
            f"{where(node)}: the scale of its weights is neither one number nor one for each output"
        )
    unit = by_row[:, 0]
    factor, shift = value.affine()
    if factor.size > 1 and np.all(np.abs(factor - factor.flat[0]) <= EQUAL * abs(factor.flat[0])):
        factor = factor.reshape(-1)[0]
    if factor.size > 1:
        raise PipelineError(
            f"{where(node)}: the scales of its input differ by channel "
            f"({factor.min():.4g} to {factor.max():.4g}), so its sums are no integers; put a "
            "quantiser with one scale in front of it"
        )
    if not factor:
        raise PipelineError(f"{where(node)}: its input is multiplied by 0")
    if node.op_type == "Conv":
        edge, sums = _convolution(tracker, node, value, (integers, weights.dtype), shift)
    else:
        edge, sums = _dense(tracker, node, value, (integers, weights.dtype), shift)
    shape = tracker.raw.edges[edge].shape
    ops = [Affine.of(2.0, -integers[0].size)] if tracker.raw.layers[edge].popcount else []  # type: ignore[attr-defined]
    scaled = factor * (unit[0] if np.all(unit == unit[0]) else unit)
    ops.append(Affine.of(scaled))
    if np.any(sums):
        ops.append(Affine.of(shift=sums * unit))
    found = Value(edge, shape, tuple(ops))
    if given.get("alpha", 1.0) != 1:
        found = found.then(Affine.of(given["alpha"]))
    if len(node.input) > 2 and node.input[2]:
        bias = tracker.constants.real(node.input[2]) * given.get("beta", 1.0)
        if bias.size not in (1, rows):
            raise PipelineError(f"{where(node)}: a bias of {list(bias.shape)} for {rows} outputs")
        bias = np.broadcast_to(bias.reshape(-1), (rows,)) if bias.size > 1 else bias.reshape(())
        found = found.then(Affine.of(shift=bias))
    return found


def _convolution(
    tracker: Tracker,
    node: Any,
    value: Value,
    weights: tuple[np.ndarray, DataType],
    shift: np.ndarray,
) -> tuple[str, np.ndarray]:
    """The edge of a convolution's sums, and what the input's shift adds to each: [MH] or 0."""
    require_map(value, node)
    given = attributes(node)
    integers, dtype = weights
    rows, channels, *kernel = integers.shape
    pads = tuple(given["pads"])
    if any(pads) and np.any(shift):
        raise PipelineError(_why_not_padded(tracker, node, value))
    windows = tracker.raw.windows(
        value.edge, (kernel[0], kernel[1]), tuple(given["strides"]), pads, where(node)
    )
    *pixels, _ = tracker.raw.edges[windows].shape
    by_pixel = np.ascontiguousarray(integers.transpose(0, 2, 3, 1).reshape(rows, -1))
    edge = tracker.raw.product(windows, by_pixel, dtype, tuple(pixels), where(node))
    sums = (integers.sum(axis=(2, 3)) * np.broadcast_to(shift, (channels,))).sum(axis=1)
    return edge, sums


def _why_not_padded(tracker: Tracker, node: Any, value: Value) -> str:
    what = "its input" if value.edge != SOURCE else "the network's input, which has no quantiser,"
    return (
        f"{where(node)}: pads with zeros, but {what} is shifted (a mean, or a batch norm in front "
        "of it), so that no integer stands for 0. Use a convolution without padding, an input "
        "without a mean (input_mean=0), or a quantiser (signed, without zero point) in front of "
        "the convolution"
    )


def _dense(
    tracker: Tracker,
    node: Any,
    value: Value,
    weights: tuple[np.ndarray, DataType],
    shift: np.ndarray,
) -> tuple[str, np.ndarray]:
    integers, dtype = weights
    if len(value.shape) == 3 and not value.flat:
        raise PipelineError(
            f"{where(node)}: multiplies a map of {list(value.shape)} (height, width, channels); "
            "flatten it first"
        )
    if integers.shape[1] != np.prod(value.shape):
        raise PipelineError(
            f"{where(node)}: has weights for {integers.shape[1]} inputs, and reads "
            f"{np.prod(value.shape)}"
        )
    if value.flat:
        value, shift = _with_vector(tracker, value, shift)
    sums = (integers * np.broadcast_to(shift, integers.shape[1:])).sum(axis=1)
    if value.order is not None:
        integers = np.ascontiguousarray(integers[:, value.order])
    return tracker.raw.product(value.edge, integers, dtype, (), where(node)), sums


def _with_vector(tracker: Tracker, value: Value, shift: np.ndarray) -> tuple[Value, np.ndarray]:
    """A flattened map as a vector, and a shift by channel as one by element."""
    vector = tracker.spread(replace(value, ops=(Affine.of(shift=shift),)), by_element=False)
    op = vector.ops[0]
    assert isinstance(op, Affine), "it is the one of the line above"
    return vector, op.shift


def require_map(value: Value, node: Any) -> tuple[int, int, int]:
    if len(value.shape) != 3 or value.flat or value.channels_last:
        raise PipelineError(
            f"{where(node)}: its input is no image with its channels first, [1, C, H, W]"
        )
    height, width, channels = value.shape
    return height, width, channels
