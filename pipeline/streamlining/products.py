"""Convolutions and dense layers: their integer weights, and what their sums mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import Mvau
from pipeline.qonnx.edit import attributes, where
from pipeline.streamlining.raw import SOURCE
from pipeline.streamlining.tracker import Tracker
from pipeline.streamlining.values import Affine, Value

EQUAL = 2.0**-20
"""Relative difference up to which two scales are the same: float32 rounding."""


Kept = tuple[int, ...] | None
"""What is left of a row's columns, ascending; None: all of them."""


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
    mask = weights.mask
    if mask is not None:
        mask = np.broadcast_to(mask, weights.integers.shape)
        mask = mask if turned else mask.T
    matrix = _matrix(integers, weights.dtype, mask, node)
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
        edge, sums = _convolution(tracker, node, value, matrix, shift)
    else:
        edge, sums = _dense(tracker, node, value, matrix, shift)
    shape, unit_of = tracker.raw.edges[edge].shape, tracker.raw.layers[edge]
    assert isinstance(unit_of, Mvau), "both make one"
    ops = [Affine.of(2.0, -unit_of.mw)] if unit_of.popcount else []
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


@dataclass(frozen=True, eq=False)
class _Matrix:
    """Integer weights [rows, ...], 0 where pruning took them away.

    columns: bool, of a row's shape: which columns are left; None: all.
    """

    integers: np.ndarray
    dtype: DataType
    columns: np.ndarray | None = None

    def kept(self, axes: Sequence[int] = (), order: np.ndarray | None = None) -> Kept:
        """The positions that are left in a row, whose axes or elements come in another order."""
        if self.columns is None:
            return None
        row = self.columns.transpose(axes) if axes else self.columns
        row = row.reshape(-1) if order is None else row.reshape(-1)[order]
        return tuple(np.flatnonzero(row).tolist())


def _matrix(integers: np.ndarray, dtype: DataType, mask: np.ndarray | None, node: Any) -> _Matrix:
    """The weights that a mask leaves: those of some columns, or any, with zeros between them.

    PipelineError: it leaves none. 1-bit weights with zeros become 2-bit ones.
    """
    if mask is None or mask.all():
        return _Matrix(integers, dtype)
    if not mask.any():
        raise PipelineError(f"{where(node)}: its mask leaves none of its weights; prune less of it")
    left = np.where(mask, integers, 0)
    if np.all(mask == mask[0]):
        return _Matrix(left, dtype, mask[0])
    return _Matrix(left, DataType.smallest(-1, 1) if dtype.bipolar else dtype)


def _convolution(
    tracker: Tracker, node: Any, value: Value, weights: _Matrix, shift: np.ndarray
) -> tuple[str, np.ndarray]:
    """The edge of a convolution's sums, and what the input's shift adds to each: [MH] or 0."""
    require_map(value, node)
    given = attributes(node)
    integers, kept = weights.integers, weights.kept((1, 2, 0))
    rows, channels, *kernel = integers.shape
    pads = tuple(given["pads"])
    if any(pads) and np.any(shift):
        raise PipelineError(_why_not_padded(tracker, node, value))
    windows = tracker.raw.windows(
        value.edge, (kernel[0], kernel[1]), tuple(given["strides"]), pads, where(node), kept
    )
    *pixels, _ = tracker.raw.edges[windows].shape
    by_pixel = _columns(integers.transpose(0, 2, 3, 1).reshape(rows, -1), kept)
    edge = tracker.raw.product(windows, by_pixel, weights.dtype, tuple(pixels), where(node))
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


def _columns(integers: np.ndarray, kept: Kept) -> np.ndarray:
    return np.ascontiguousarray(integers if kept is None else integers[:, list(kept)])


def _dense(
    tracker: Tracker, node: Any, value: Value, weights: _Matrix, shift: np.ndarray
) -> tuple[str, np.ndarray]:
    integers = weights.integers
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
    kept, edge = weights.kept(order=value.order), value.edge
    if value.order is not None:
        integers = integers[:, value.order]
    if kept is not None:
        edge = tracker.raw.keep(edge, kept, where(node))
    matrix = _columns(integers, kept)
    return tracker.raw.product(edge, matrix, weights.dtype, (), where(node)), sums


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
