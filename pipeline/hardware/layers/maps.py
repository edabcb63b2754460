"""Layers over feature maps: windows, padding and pools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from pipeline.hardware.layers.base import Edge, Layer, Pair, check_range
from pipeline.hardware.layers.kept import check_kept


@dataclass(frozen=True, eq=False)
class SlidingWindow(Layer):
    """The input window of every position of a convolution: [H, W, C] -> [OH, OW, KH*KW*C].

    The channels of a position are the pixels of its window row by row, each with its C channels. A
    convolution's weight columns have the same order. OH = (H - KH) // SH + 1, and OW likewise.

    kept: of these channels only the given ones, ascending: -> [OH, OW, len(kept)]. None: all.
    """

    kind: ClassVar[str] = "swg"
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    kept: tuple[int, ...] | None = None

    def elements(self, source: Edge) -> int:
        """Elements of a window that it gives."""
        return prod(self.kernel) * source.channels if self.kept is None else len(self.kept)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        if len(source.shape) != 3 or min(*self.kernel, *self.stride) < 1:
            yield f"a window of {self.kernel}, stride {self.stride} over the shape {source.shape}"
            return
        height, width, channels = source.shape
        rows = (height - self.kernel[0]) // self.stride[0] + 1
        columns = (width - self.kernel[1]) // self.stride[1] + 1
        if self.kept is not None:
            yield from check_kept(self.kept, prod(self.kernel) * channels)
        wanted = (rows, columns, self.elements(source))
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
        yield from check_range(self.range(source), target)
