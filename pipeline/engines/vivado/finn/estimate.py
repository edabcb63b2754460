"""FINN's own estimates of its hardware layers as closed forms: cycles, LUTs, block RAMs.

Written from the source of finn-plus 1.6.1 (`get_exp_cycles`, `lut_estimation`, `bram_estimation` of
each node), so that a design space takes no FINN; a test compares them with FINN's answers. They are
FINN's numbers with their errors: pools, label selects and width converters of RTL cost nothing or
little there, and nothing knows flip-flops.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import ceil, lcm

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import Pair

MAX_STREAM_BITS = 8191
"""The widest ap_int of Vitis HLS, as FINN found it; UG1399 promises less."""
_RAM_WIDTHS = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2))
"""Words of a RAMB18, and how wide they are."""
_THRESHOLD_RAMS = {
    "uram": ((72, 4096), (36, 8192), (18, 16384), (9, 32768)),
    "bram18": ((36, 512), (18, 1024), (9, 2048)),
    "lut": ((1, 64),),
}
"""The memories that FINN considers for thresholds, (width, depth), in its order."""


@dataclass(frozen=True)
class Cost:
    """What FINN estimates for a node. uram: those of a board without any cannot be built."""

    cycles: int = 0
    lut: int = 0
    bram18: int = 0
    uram: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Two nodes in a row: the slower one decides."""
        return Cost(
            max(self.cycles, other.cycles),
            self.lut + other.lut,
            self.bram18 + other.bram18,
            self.uram + other.uram,
        )


@dataclass(frozen=True)
class Matrix:
    """An MVAU: its size, how often it multiplies, and bits of weights, inputs and sums."""

    mh: int
    mw: int
    vectors: int
    weight: int
    source: DataType
    accumulator: int

    def cycles(self, pe: int, simd: int) -> int:
        return (self.mh // pe) * (self.mw // simd) * self.vectors

    def cost(self, pe: int, simd: int, *, block: bool) -> Cost:
        """As HLS, its weights streamed from a memory beside it, no thresholds inside."""
        words, width = self.mw * self.mh // (pe * simd), pe * simd * self.weight
        operands = self.weight + self.source.bits
        multiply = simd * (2 * ceil(operands / 6) - 1) * operands
        tree = operands * (2 * simd - 1)
        alpha = math.log2(self.mw) + operands - 1 - int(self.source.signed)
        most = ceil(alpha + math.log2(1 + 2**-alpha) + 1)
        total = multiply + tree + min(self.accumulator, most)
        memory = 0 if block else width * ceil(words / 64)
        lut = int(300 + 1.1 * (pe * total) + memory)
        return Cost(self.cycles(pe, simd), lut, ram18(width, words) if block else 0)


def ram18(width: int, words: int) -> int:
    """RAMB18 of a memory in simple dual-port mode (UG573, table 1-10)."""
    if width <= 2:
        return ceil(words / (16384 // width))
    if width <= 4:
        return ceil(words / 4096) * ceil(width / 4)
    if width <= 9:
        return ceil(words / 2048) * ceil(width / 9)
    if width <= 18 or words > 512:
        return ceil(words / 1024) * ceil(width / 18)
    return ceil(words / 512) * ceil(width / 36)


def thresholding(vectors: int, channels: int, pe: int, bits: int, levels: int) -> Cost:
    """bits: of a threshold. levels: bits of the output; its search takes a memory for each."""
    rows, found = channels // pe, {"uram": 0, "bram18": 0, "lut": 0}
    for stage in range(levels):
        kind, count = _least_waste(bits, rows << stage)
        found[kind] += pe * count
    return Cost(vectors * rows, **found)


def _least_waste(width: int, depth: int) -> tuple[str, int]:
    """The memory that leaves least of itself empty, and how many of it; the first of equal ones."""
    choices = []
    for kind, sizes in _THRESHOLD_RAMS.items():
        for wide, deep in sizes:
            count = ceil(width / wide) * ceil(depth / deep)
            choices.append((count * wide * deep, kind, count))
    _, kind, count = min(choices, key=lambda choice: choice[0])
    return kind, count


@dataclass(frozen=True)
class Window:
    """A sliding window. depthwise: in front of a pool, channel by channel."""

    shape: tuple[int, int, int]
    kernel: Pair
    stride: Pair
    bits: int
    depthwise: bool = False

    @property
    def out(self) -> Pair:
        (high, wide, _), (rows, columns) = self.shape, self.kernel
        return (high - rows) // self.stride[0] + 1, (wide - columns) // self.stride[1] + 1

    def cost(self, simd: int, *, whole: bool = False, block: bool = False) -> Cost:
        """whole: it gives out whole windows. A kernel of 1x1 always does."""
        parallel = whole or self.kernel == (1, 1)
        folds = self.shape[2] // simd
        cycles = self._cycles(folds) if not parallel else self.shape[0] * self.shape[1] * folds + 2
        width = simd * self.bits
        if block:
            return Cost(cycles, 300, self._ram18(folds, width, parallel=parallel))
        return Cost(cycles, 300 + width * ceil(self._depth(folds, parallel=parallel) / 38))

    def _depth(self, folds: int, *, parallel: bool) -> int:
        """Words of its buffer."""
        wide, (rows, columns), (down, right) = self.shape[1], self.kernel, self.stride
        held = (rows - 1) * wide + columns - 1
        if parallel:
            return held * folds + 2
        inside = rows * columns
        early = max(0, right - 1 - inside) + max(0, (down - 1) * wide - inside)
        return (held + 1 + early) * folds

    def _cycles(self, folds: int) -> int:
        (high, wide, _), (rows, columns) = self.shape, self.kernel
        (out_high, out_wide), (down, right) = self.out, self.stride
        if high == 1 or wide == 1:
            return self._line_cycles(folds)
        written, read = out_wide * columns * rows * folds, right * wide * folds
        row, more = max(written, read), 0
        if self.depthwise:
            row += out_wide * (right - 1) * (folds - 1)
            more = (down - 1) * wide * folds
        return ((rows - 1) * wide + columns) * folds + out_high * row + more

    def _line_cycles(self, folds: int) -> int:
        """Of a map of one row or column."""
        axis = 0 if self.shape[1] == 1 else 1
        wide, out, columns, right = (
            sizes[axis] for sizes in (self.shape, self.out, self.kernel, self.stride)
        )
        if not self.depthwise:
            return out * columns * folds + 2
        given = out * columns * folds + (folds - 1) * columns
        taken = wide * folds + folds * (columns - 1) * (right - 1)
        return max(given, taken) + 2

    def _ram18(self, folds: int, width: int, *, parallel: bool) -> int:
        depth, count = self._depth(folds, parallel=parallel), 1
        if parallel:
            if 1 in self.shape[:2]:
                return 0
            depth, count = self.shape[1] - self.kernel[1], self.kernel[0] - 1
        rams = ceil(depth / 16384) * ceil(width / _ram_width(depth))
        if depth > 16384:
            rams -= ceil(width / 1) - ceil(width / _ram_width(depth % 16384))
        return rams * count


def _ram_width(depth: int) -> int:
    return next((width for words, width in _RAM_WIDTHS if depth <= words), 1)


def converter_luts(bits: int, producer: int, consumer: int) -> int:
    """LUTs of a width converter from `producer` to `consumer` lanes of `bits` each."""
    if producer == consumer:
        return 0
    given, taken = producer * bits, consumer * bits
    middle = lcm(given, taken)
    luts = 0
    if given != middle:
        luts += abs(ceil(math.log2(given / middle))) + middle
    if taken != middle:
        luts += abs(ceil(math.log2(middle / taken))) + taken
    return luts
