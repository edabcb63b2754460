"""The sums of an MVAU that is not folded at all: a netlist of its weights other than zero.

A weight is written with digits of -1, 0 and +1 by powers of two, as few as possible. A digit of a
row adds an input, or for -1 its complement, with one bit per bit plane: so a row is a heap of bits
by their powers of two. Compressors and adders make a number of it. What is zero is in no heap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import Mvau
from pipeline.rtl.memories import Memory

COMPRESSED = 6
"""Bits that a compressor counts: see compressor_6_3.v."""
LEVELS_PER_STAGE = 2
"""Levels of tables between two registers."""
GROUP = 3
"""Neighbouring columns that one table adds. Rows share the tables that are equal."""

Columns = tuple[int, ...]
"""How many bits a heap has, by their power of two."""


def digits(weights: np.ndarray) -> np.ndarray:
    """int8 [D, MH, MW]: weights = sum of digits[d] * 2**d, with the fewest digits other than 0."""
    rest, found = weights.astype(np.int64), []
    while rest.any():
        digit = np.where(rest % 2, 2 - rest % 4, 0)
        found.append(digit.astype(np.int8))
        rest = (rest - digit) >> 1
    return np.array(found or [np.zeros_like(rest, np.int8)])


@dataclass(frozen=True)
class Plan:
    """How a heap becomes a number.

    levels: of compressors; by level how many there are for each power of two. operands: the bits
    of the numbers that are then added, as masks.
    """

    levels: tuple[Columns, ...]
    operands: tuple[int, ...]


@cache
def plan(heap: Columns) -> Plan:
    """Compressors as long as any finds bits of one power; numbers are what is left.

    Both take a table for each bit by which there are fewer, so that no plan is much smaller.
    """
    levels: list[Columns] = []
    while max(heap, default=0) >= COMPRESSED:
        counts = tuple(height // COMPRESSED for height in heap)
        levels.append(counts)
        heap = compressed(heap, counts)
    tallest = max(heap, default=0)
    masks = (sum(1 << k for k, height in enumerate(heap) if height > i) for i in range(tallest))
    return Plan(tuple(levels), tuple(masks))


def compressed(heap: Columns, counts: Columns) -> Columns:
    """The heap after so many compressors, each of which makes three bits of six."""
    found = [0] * (len(heap) + 2)
    for k, (height, count) in enumerate(zip(heap, counts, strict=True)):
        found[k] += height - COMPRESSED * count
        for power in range(3):
            found[k + power] += count
    while found and not found[-1]:
        found.pop()
    return tuple(found)


@dataclass(frozen=True)
class Number:
    """low: the lowest power that has a bit. most: the greatest value."""

    low: int
    most: int

    @staticmethod
    def of(mask: int) -> Number:
        return Number((mask & -mask).bit_length() - 1, mask)

    @property
    def high(self) -> int:
        """The power above its highest bit."""
        return self.most.bit_length()

    def __add__(self, other: Number) -> Number:
        return Number(min(self.low, other.low), self.most + other.most)


@dataclass(frozen=True)
class Size:
    """What the sums of a layer consist of: distinct tables of groups, compressors, adders' bits."""

    tables: int
    compressors: int
    adder_bits: int


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums of a layer without fold: of each row one number, see `text`.

    digits: int8 [D, MH, MW], see `digits`. input_bits: of an input, which is an unsigned number.
    """

    digits: np.ndarray
    input_bits: int

    @staticmethod
    def of(layer: Mvau, source: DataType) -> Sums:
        return Sums(digits(layer.weights), source.bits)

    @property
    def _complemented(self) -> np.ndarray:
        """int64 [MH]: weights * inputs - sums, for the complements that -1 adds."""
        powers = 1 << np.arange(len(self.digits))
        negative = ((self.digits < 0) * powers[:, None, None]).sum(axis=(0, 2))
        found: np.ndarray = -negative * ((1 << self.input_bits) - 1)
        return found

    @property
    def signs(self) -> Memory:
        """One word: of every digit other than 0 whether it is -1; by row, power and column."""
        rows = self.digits.transpose(1, 0, 2)
        return Memory((rows[rows != 0] < 0).astype(np.uint8)[None, :])

    @property
    def bits(self) -> int:
        """Bits of the greatest sum."""
        powers = 1 << np.arange(len(self.digits))
        most = (np.abs(self.digits) * powers[:, None, None]).sum(axis=(0, 2)).max()
        return max(1, int(most * ((1 << self.input_bits) - 1)).bit_length())

    @cached_property
    def grouped(self) -> bool:
        """Whether groups are added first. It is worth its tables only if many rows share them."""
        bits, after, tables = self._counts
        return tables + after < bits

    @cached_property
    def _counts(self) -> tuple[int, int, int]:
        """Bits of all heaps; if groups are added first: bits of all heaps, and tables for that."""
        planes, rows, columns = self.digits.shape
        padded = np.zeros((planes * rows, -(-columns // GROUP) * GROUP), np.int64)
        padded[:, :columns] = self.digits.reshape(planes * rows, columns)
        groups = padded.reshape(len(padded), -1, GROUP)
        read = (groups != 0).sum(axis=2)
        bits = int(read.sum())
        after = int(np.minimum(read, 2).sum())
        tables = 0
        for group in groups.transpose(1, 0, 2):
            tables += _tables(group)
        return bits * self.input_bits, after * self.input_bits, tables * self.input_bits

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(plan(heap) for heap in self._heaps())

    def _heaps(self) -> Iterator[Columns]:
        """By row the heap after the groups were added, if they are."""
        planes, rows, columns = self.digits.shape
        heaps = np.zeros((rows, planes + self.input_bits), np.int64)
        padded = np.zeros((planes, rows, -(-columns // GROUP) * GROUP), bool)
        padded[:, :, :columns] = self.digits != 0
        read = padded.reshape(planes, rows, -1, GROUP).sum(axis=3)
        ones = (read > 0).sum(axis=2) if self.grouped else read.sum(axis=2)
        twos = (read > 1).sum(axis=2) if self.grouped else np.zeros_like(ones)
        for x in range(self.input_bits):
            for d in range(planes):
                heaps[:, x + d] += ones[d]
                heaps[:, x + d + 1] += twos[d]
        for heap in heaps.tolist():
            while heap and not heap[-1]:
                heap.pop()
            yield tuple(heap)

    @property
    def latency(self) -> int:
        """Cycles from the inputs to the sums, the same for every row."""
        return max(_latency(found) for found in self.plans)

    @property
    def size(self) -> Size:
        compressors = sum(sum(map(sum, found.levels)) for found in self.plans)
        adders = sum(_adder_bits(found.operands) for found in self.plans)
        return Size(self._counts[2] if self.grouped else 0, compressors, adders)


def start(layer: Mvau, source: DataType) -> np.ndarray:
    """By row, int64 [MH]: acc - (sum << sum_shift), for any input."""
    complemented = Sums.of(layer, source)._complemented
    total = layer.weights.sum(axis=1)
    if source.bipolar:  # x = 2 bit - 1
        found = 2 * complemented - total
        found = (found + layer.mw) // 2 if layer.popcount else found
    else:
        found = complemented - (total << source.bits - 1 if source.signed else 0)
    found = np.asarray(found, np.int64)
    return found if layer.bias is None else found + layer.bias


def _tables(group: np.ndarray) -> int:
    """The distinct tables of a group, for digits [rows, GROUP]; a table or its inverse is one."""
    found = set()
    for row in set(map(tuple, group.tolist())):
        read = tuple(int(digit != 0) for digit in row)
        if sum(read) < 2:
            continue
        found.add(read)
        # the majority of complements is the complement of the majority
        turned = sum(read) == GROUP and row[0] < 0
        found.add((*(-digit for digit in row), 0) if turned else (*row, 0))
    return len(found)


def _stages(levels: int) -> int:
    return -(-levels // LEVELS_PER_STAGE)


def _latency(found: Plan) -> int:
    """The groups are a level of tables too."""
    count = len(found.operands)
    return _stages(len(found.levels) + 1) + (count - 1).bit_length() if count else 1


def _adder_bits(operands: tuple[int, ...]) -> int:
    """Bits of all adders: each from the first power where both numbers may have bits."""
    numbers, found = [Number.of(mask) for mask in operands], 0
    while len(numbers) > 1:
        pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
        found += sum((one + other).high - max(one.low, other.low) for one, other in pairs)
        numbers = [*(one + other for one, other in pairs), *numbers[2 * len(pairs) :]]
    return found
