"""The kinds of layers of the hardware graph: what each computes, and what it requires of its edges.

Shapes are those of one image, channels innermost (NHWC).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pipeline.hardware.datatypes import BIPOLAR, DataType


@dataclass(frozen=True)
class Edge:
    """One stream: its datatype, and the shape of one image on it, channels innermost."""

    id: str
    dtype: DataType
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def vectors(self) -> int:
        """Number of channel vectors in one image: 1 for a dense layer, H*W for a feature map."""
        return int(np.prod(self.shape[:-1]))

    @property
    def elements(self) -> int:
        """Number of elements in one image."""
        return int(np.prod(self.shape))

    def has_shape(self, shape: tuple[int, ...]) -> bool:
        """Whether this is its shape, or that of the same map as a vector in stream order."""
        return self.shape in (shape, (int(np.prod(shape)),))


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of the graph.

    input, output: ids of its first input edge and its first output edge; the properties `inputs`
    and `outputs` have all of them. finn_names: the FINN nodes, before specialisation, that it
    stands for.
    """

    kind: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]] = ()
    id: str
    input: str
    output: str
    finn_names: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.output,)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        """Yields every inconsistency between the layer and its edges.

        others: the edges of further inputs, then of further outputs.
        """
        yield from ()


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


Pair = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True, eq=False)
class SlidingWindow(Layer):
    """The input window of every position of a convolution: [H, W, C] -> [OH, OW, KH*KW*C].

    The channels of a position are the pixels of its window row by row, each with its C channels. A
    convolution's weight columns have the same order. OH = (H - KH) // SH + 1, and OW likewise.
    """

    kind: ClassVar[str] = "swg"
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        if len(source.shape) != 3 or min(*self.kernel, *self.stride) < 1:
            yield f"a window of {self.kernel}, stride {self.stride} over the shape {source.shape}"
            return
        height, width, channels = source.shape
        rows = (height - self.kernel[0]) // self.stride[0] + 1
        columns = (width - self.kernel[1]) // self.stride[1] + 1
        wanted = (rows, columns, self.kernel[0] * self.kernel[1] * channels)
        if rows < 1 or columns < 1 or target.shape != wanted:
            yield f"output shape is {target.shape}, not {wanted}"
        if target.dtype != source.dtype:
            yield f"{source.dtype.name} becomes {target.dtype.name}"


@dataclass(frozen=True, eq=False)
class Pad(Layer):
    """Adds zeros: `rows` above and below, `columns` left and right. BIPOLAR has no zero."""

    kind: ClassVar[str] = "pad"
    rows: Pair = (0, 0)
    columns: Pair = (0, 0)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        if len(source.shape) != 3 or min(*self.rows, *self.columns) < 0:
            yield f"rows {self.rows} and columns {self.columns} around the shape {source.shape}"
            return
        height, width, channels = source.shape
        wanted = (height + sum(self.rows), width + sum(self.columns), channels)
        if target.shape != wanted:
            yield f"output shape is {target.shape}, not {wanted}"
        if source.dtype.bipolar or target.dtype != source.dtype:
            yield f"{source.dtype.name} becomes {target.dtype.name}; BIPOLAR has no zero"


@dataclass(frozen=True, eq=False)
class MaxPool(Layer):
    """Greatest value by channel in windows that do not overlap: [H, W, C] -> [H//KH, W//KW, C].

    Rows and columns that do not fill a window are dropped.
    """

    kind: ClassVar[str] = "max_pool"
    kernel: Pair = (1, 1)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        if len(source.shape) != 3 or min(self.kernel) < 1:
            yield f"a window of {self.kernel} over the shape {source.shape}"
            return
        height, width, channels = source.shape
        wanted = (height // self.kernel[0], width // self.kernel[1], channels)
        if min(wanted) < 1 or not target.has_shape(wanted):
            yield f"output shape is {target.shape}, not {wanted}"
        if target.dtype != source.dtype:
            yield f"{source.dtype.name} becomes {target.dtype.name}"


@dataclass(frozen=True, eq=False)
class SumPool(Layer):
    """The sums by channel of windows that do not overlap, each shifted right.

    y = floor(sum / 2**shift): the average, or a multiple of it. [H, W, C] -> [H//KH, W//KW, C];
    rows and columns that do not fill a window are dropped.

    kernel: None is the whole feature map.
    """

    kind: ClassVar[str] = "sum_pool"
    shift: int = 0
    kernel: Pair | None = None

    def window(self, source: Edge) -> Pair:
        """Rows and columns of a window."""
        return self.kernel or (source.shape[0], source.shape[1])

    def range(self, source: Edge) -> tuple[int, int]:
        """Smallest and greatest output."""
        high, wide = self.window(source)
        ends = source.dtype.min, source.dtype.max
        least, most = (end * high * wide >> self.shift for end in ends)
        return least, most

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        if len(source.shape) != 3 or min(self.window(source)) < 1:
            yield f"a window of {self.kernel} over the shape {source.shape}"
            return
        (high, wide), (height, width, channels) = self.window(source), source.shape
        wanted = (height // high, width // wide, channels)
        if min(wanted) < 1 or not target.has_shape(wanted):
            yield f"output shape is {target.shape}, not {wanted}"
        if source.dtype.bipolar or self.shift < 0:
            yield f"{source.dtype.name} shifted by {self.shift}; BIPOLAR is not summed"
        yield from _check_range(self.range(source), target)


@dataclass(frozen=True, eq=False)
class Fork(Layer):
    """Copies the input to two outputs."""

    kind: ClassVar[str] = "fork"
    copy: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.output, self.copy)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        for edge in (target, *others):
            if (edge.dtype, edge.shape) != (source.dtype, source.shape):
                yield f"{edge.id} is not what {source.id} is: {source.dtype.name} {source.shape}"


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """y = factors[0] * input + factors[1] * other, element by element. Neither may be BIPOLAR.

    factors: integers other than 0.
    """

    kind: ClassVar[str] = "add"
    other: str = ""
    factors: tuple[int, int] = (1, 1)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input, self.other)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        sources = (source, *others)
        if source.shape != others[0].shape or not target.has_shape(source.shape):
            yield f"shapes {[edge.shape for edge in sources]} become {target.shape}"
        if any(edge.dtype.bipolar for edge in sources):
            yield "a BIPOLAR input, which is not added"
        if 0 in self.factors:
            yield f"factors {self.factors}; an input times 0 is no input"
        yield from _check_range(self.range(source, *others), target)

    def range(self, source: Edge, other: Edge) -> tuple[int, int]:
        """Smallest and greatest output."""
        edges = zip((source, other), self.factors, strict=True)
        ends = [sorted((f * edge.dtype.min, f * edge.dtype.max)) for edge, f in edges]
        return ends[0][0] + ends[1][0], ends[0][1] + ends[1][1]


def _check_range(ends: tuple[int, int], target: Edge) -> Iterator[str]:
    if target.dtype.bipolar or ends[0] < target.dtype.min or ends[1] > target.dtype.max:
        yield f"sums reach {ends[0]}..{ends[1]}, more than {target.dtype.name} holds"


KINDS: dict[str, type[Layer]] = {
    cls.kind: cls
    for cls in (Threshold, Mvau, LabelSelect, SlidingWindow, Pad, MaxPool, SumPool, Fork, Add)
}


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
