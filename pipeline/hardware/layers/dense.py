"""Layers over vectors of channels: thresholds, matrix-vector units, the arg-max."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.layers.base import Edge, Layer


def _check_thresholds(
    thresholds: np.ndarray, offset: int, rows: int, target: Edge
) -> Iterator[str]:
    if thresholds.ndim != 2 or thresholds.shape[0] != rows or thresholds.shape[1] < 1:
        yield f"thresholds have shape {thresholds.shape}, not ({rows}, at least 1)"
        return
    if np.any(np.diff(thresholds, axis=1) < 0):
        yield "thresholds are not ascending in a row"
    steps = thresholds.shape[1]
    if target.dtype.bipolar:
        if steps != 1:
            yield f"{steps} thresholds for a BIPOLAR output, which takes one"
    elif offset < target.dtype.min or offset + steps > target.dtype.max:
        yield f"values {offset}..{offset + steps} do not fit the output, {target.dtype.name}"


@dataclass(frozen=True, eq=False)
class Threshold(Layer):
    """y[c] = offset + #{t : x[c] >= thresholds[c, t]}; a BIPOLAR output is -1 or +1.

    thresholds: int64 [C, T], ascending in t; C is the number of channels. A BIPOLAR output has one
        threshold per channel.
    falling: bool [C]: where it is set, the levels fall as x rises: y[c] = offset + T - #{t : x[c]
        >= thresholds[c, t]}, and a BIPOLAR output is +1 below the threshold. None: no channel.
    """

    kind: ClassVar[str] = "threshold"
    arrays: ClassVar[tuple[str, ...]] = ("thresholds", "falling")
    thresholds: np.ndarray = field(default_factory=lambda: np.zeros((0, 1), np.int64))
    offset: int = 0
    falling: np.ndarray | None = None

    @property
    def shared(self) -> bool:
        """Whether all channels do the same, so that the design keeps one row for all of them."""
        same = self.falling is None or bool(np.all(self.falling == self.falling[0]))
        return same and shares_thresholds(self.thresholds)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        if not target.has_shape(source.shape):
            yield f"input shape {source.shape} differs from output shape {target.shape}"
        yield from _check_thresholds(self.thresholds, self.offset, source.channels, target)
        falling = self.falling
        if falling is not None and (
            falling.shape != (source.channels,) or falling.dtype != np.dtype(bool)
        ):
            yield f"falling is {falling.dtype} {falling.shape}, not bool ({source.channels},)"


@dataclass(frozen=True, eq=False)
class Mvau(Layer):
    """Matrix-vector unit, with in-line thresholds unless `thresholds` is None.

    weights: int64 [MH, MW], logical values of `weight_dtype`. BIPOLAR weights are -1 and +1, not
        bit codes.
    popcount: for BIPOLAR weights and input only ("XNOR"). If True, acc = #{i : w[i] == x[i]} = (MW
        + w.x) / 2, which is a UINT. If False, acc = w.x + bias.
    accumulator: a datatype that holds every reachable acc and every threshold.
    bias: int64 [MH]; None is zero.
    thresholds: int64 [MH, T], applied to acc as in `Threshold`. With None the output is acc itself.

    The input has one vector of MW channels for each vector of the output. Or MW is a whole feature
    map, read in stream order (row by row, channels innermost), for a dense layer after
    convolutions.
    """

    kind: ClassVar[str] = "mvau"
    arrays: ClassVar[tuple[str, ...]] = ("weights", "thresholds", "bias")
    weights: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    weight_dtype: DataType = BIPOLAR
    accumulator: DataType = BIPOLAR
    popcount: bool = False
    thresholds: np.ndarray | None = None
    offset: int = 0
    bias: np.ndarray | None = None

    @property
    def mh(self) -> int:
        return int(self.weights.shape[0])

    @property
    def mw(self) -> int:
        return int(self.weights.shape[1])

    def accumulator_range(self, source: DataType) -> tuple[int, int]:
        """Smallest and greatest acc for any input of datatype `source`, from the actual weights."""
        if self.popcount:
            return 0, self.mw
        return accumulator_range(self.weights, source, self.bias)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        if self.weights.ndim != 2 or self.weights.size == 0:
            yield f"weights have shape {self.weights.shape}, not (MH, MW)"
            return
        if self.mw not in (source.channels, source.elements) or target.channels != self.mh:
            yield (
                f"weights are {self.mh}x{self.mw} (MH x MW), but the input has {source.channels} "
                f"channels and the output {target.channels}"
            )
        if target.vectors * self.mw != source.elements:
            yield f"{source.elements} inputs make no {target.vectors} vectors of {self.mw}"
        if not self.weight_dtype.holds(self.weights):
            yield f"weights are not all {self.weight_dtype.name}"
        if self.popcount and not (self.weight_dtype.bipolar and source.dtype.bipolar):
            yield "popcount needs BIPOLAR weights and a BIPOLAR input"
        if self.bias is not None and (self.popcount or self.bias.shape != (self.mh,)):
            yield f"bias has shape {self.bias.shape}, not ({self.mh},) without popcount"
            return
        low, high = self.accumulator_range(source.dtype)
        if low < self.accumulator.min or high > self.accumulator.max:
            yield f"accumulators reach {low}..{high}, more than {self.accumulator.name} holds"
        if self.thresholds is None:
            if target.dtype != self.accumulator:
                yield f"the output is {target.dtype.name}, the accumulator {self.accumulator.name}"
            return
        yield from _check_thresholds(self.thresholds, self.offset, self.mh, target)
        if not self.accumulator.holds(self.thresholds):
            yield f"thresholds are not all {self.accumulator.name}"


@dataclass(frozen=True, eq=False)
class LabelSelect(Layer):
    """The class of the greatest channel, as one element. The first one if several are equal.

    labels: the class of each channel. With None it is the channel's index.
    """

    kind: ClassVar[str] = "label_select"
    labels: tuple[int, ...] | None = None

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        if target.shape != (1,):
            yield f"output shape is {target.shape}, not (1,)"
        if self.labels is not None and sorted(self.labels) != list(range(source.channels)):
            yield f"labels {self.labels} are not 0..{source.channels - 1} in some order"
        if target.dtype.signed or target.dtype.max < source.channels - 1:
            yield f"{target.dtype.name} does not hold labels 0..{source.channels - 1}"


def accumulator_range(
    weights: np.ndarray, source: DataType, bias: np.ndarray | None = None
) -> tuple[int, int]:
    """Smallest and greatest w.x + bias: rows of `weights` [MH, MW], inputs of type `source`."""
    at_min, at_max = weights * source.min, weights * source.max
    shift: np.ndarray | int = 0 if bias is None else bias
    return (
        int((np.minimum(at_min, at_max).sum(axis=1) + shift).min()),
        int((np.maximum(at_min, at_max).sum(axis=1) + shift).max()),
    )


def shares_thresholds(thresholds: np.ndarray) -> bool:
    """Whether all channels of thresholds [C, T] have the same ones."""
    return bool(np.all(thresholds == thresholds[0]))
