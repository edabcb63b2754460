"""The properties of a folded layer that its cost depends on, by layer kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Any

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, is_unrolled
from pipeline.hardware.layers import (
    Add,
    Edge,
    Fork,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    Select,
    SlidingWindow,
    SumPool,
    Threshold,
    kept_words,
)
from pipeline.rtl.folds import is_whole_window
from pipeline.rtl.ram import block_level, ramb18s, search_levels
from pipeline.rtl.sums import Size, Sums
from pipeline.rtl.windows import stored_elements, swg_depth


@dataclass(frozen=True)
class Shape:
    """The properties of a folded layer that its cost depends on.

    acc_bits: bits of the values that are compared with thresholds, compared for the label, or
        summed.
    shared: whether all channels have the same thresholds, which are then stored once.
    ring: words of the memory of a sliding window or of a pool.
    stored: for whole windows, the elements of a word of the memory.
    pruned: whether a sliding window leaves out columns.
    listed: entries of the table of what is kept of a window or an image; 0: there is none.
    falls: whether the levels of some channels may fall.
    adders: how many adders the factors of a sum take beside its own.
    sums: what the sums of an MVAU without fold consist of.
    """

    kind: str
    input_bits: int
    weight_bits: int
    popcount: bool
    mw: int
    mh: int
    steps: int
    acc_bits: int
    shared: bool
    fold: Fold
    ring: int = 0
    stored: int = 0
    pruned: bool = False
    listed: int = 0
    falls: bool = False
    adders: int = 0
    sums: Size | None = None

    @property
    def model(self) -> str:
        """The name of its cost model: its kind, or one apart for what few layers of a kind do."""
        if self.falls and self.fold.threshold_style != "table":
            return "threshold_falling"
        if self.pruned:
            return f"{self.kind}_pruned"
        if self.sums is not None:
            return "mvau_unrolled"
        return "add_factors" if self.adders else self.kind

    @property
    def ring_bits(self) -> int:
        """Bits of a word of a sliding window's memory."""
        return (self.stored or self.fold.simd) * self.input_bits

    @property
    def words(self) -> int:
        """Words of the weight memory: one for each tile of the matrix."""
        return (self.mh // self.fold.pe) * (self.mw // self.fold.simd)

    @property
    def word_bits(self) -> int:
        return self.fold.pe * self.fold.simd * self.weight_bits

    @property
    def threshold_folds(self) -> int:
        """Rows of thresholds in the memory of one lane."""
        return 1 if self.shared else self.mh // self.fold.pe

    @property
    def compared_bits(self) -> int:
        """Bits of a threshold in the styles that compare; see rtl/layers.py."""
        return self.acc_bits + 1 if self.kind == "threshold" else self.acc_bits

    @property
    def search_memories(self) -> tuple[list[int], list[int]]:
        """Words of one lane's memories of a binary search: those in LUTs, those in block RAM."""
        if self.fold.threshold_style != "search":
            return [], []
        words = [self.threshold_folds << level for level in range(search_levels(self.steps))]
        block = block_level(self.threshold_folds, self.compared_bits, self.steps)
        return words[:block], words[block:]


def shape_of(layer: Layer, source: Edge, fold: Fold) -> Shape:
    """The cost properties of `layer` with the fold `fold`."""
    return SHAPES[layer.kind](layer, source, fold)


def _stream(layer: Layer, source: Edge, fold: Fold) -> Shape:
    """The shape of a layer without weights or thresholds. Other kinds add to it."""
    bits, channels = source.dtype.bits, source.channels
    return Shape(layer.kind, bits, 0, False, channels, channels, 0, bits, False, fold)


def _mvau(layer: Mvau, source: Edge, fold: Fold) -> Shape:
    return Shape(
        layer.kind,
        source.dtype.bits,
        layer.weight_dtype.bits,
        layer.popcount,
        layer.mw,
        layer.mh,
        0 if layer.thresholds is None else layer.thresholds.shape[1],
        layer.accumulator.bits,
        False,
        fold,
        sums=Sums.of(layer, source.dtype).size if is_unrolled(layer, fold) else None,
    )


def _threshold(layer: Threshold, source: Edge, fold: Fold) -> Shape:
    return replace(
        _stream(layer, source, fold),
        steps=layer.thresholds.shape[1],
        shared=layer.shared,
        falls=layer.falling is not None,
    )


def _swg(layer: SlidingWindow, source: Edge, fold: Fold) -> Shape:
    height, width, channels = source.shape
    shape = replace(_stream(layer, source, fold), pruned=layer.kept is not None)
    if is_whole_window(layer, fold, source):
        stored = len(stored_elements(layer.kernel, channels, layer.kept))
        ring = width if stored else 0
        return replace(shape, kind="parallel_window", stored=stored, ring=ring)
    kept = None if layer.kept is None else kept_words(layer.kept, fold.pe)
    depth = swg_depth(
        (height, width),
        layer.kernel,
        layer.stride,
        channels // fold.pe,
        block=fold.ram_style == "block",
        kept=kept,
    )
    return replace(shape, ring=depth, listed=len(kept or ()))


def _max_pool(layer: MaxPool, source: Edge, fold: Fold) -> Shape:
    ring = source.shape[1] // layer.kernel[1] * (source.channels // fold.pe)
    return replace(_stream(layer, source, fold), ring=ring)


def _sum_pool(layer: SumPool, source: Edge, fold: Fold) -> Shape:
    sums = DataType.smallest(*replace(layer, shift=0).range(source))
    (high, wide), folds = layer.window(source), source.channels // fold.pe
    shape = replace(_stream(layer, source, fold), ring=folds, acc_bits=sums.bits)
    if (high, wide) == source.shape[:2]:
        return shape
    return replace(shape, kind="sum_windows", ring=source.shape[1] // wide * folds)


def _add(layer: Add, source: Edge, fold: Fold) -> Shape:
    adders = sum(abs(factor).bit_count() - 1 for factor in layer.factors)
    return replace(_stream(layer, source, fold), adders=adders)


def _select(layer: Select, source: Edge, fold: Fold) -> Shape:
    return replace(_stream(layer, source, fold), listed=source.elements // fold.pe)


SHAPES: dict[str, Callable[[Any, Edge, Fold], Shape]] = {
    Threshold.kind: _threshold,
    Mvau.kind: _mvau,
    LabelSelect.kind: _stream,
    SlidingWindow.kind: _swg,
    Pad.kind: _stream,
    MaxPool.kind: _max_pool,
    SumPool.kind: _sum_pool,
    Fork.kind: _stream,
    Add.kind: _add,
    Select.kind: _select,
}
"""By layer kind: the function that gives the shape of a folded layer."""


def bram18(shape: Shape) -> int:
    """RAMB18s of a layer: of its weights, of a binary search, or of a sliding window's pixels."""
    _, searched = shape.search_memories
    if shape.kind in ("swg", "parallel_window"):
        return ramb18s(shape.ring, shape.ring_bits) if shape.fold.ram_style == "block" else 0
    count = shape.fold.pe * sum(ramb18s(words, shape.compared_bits) for words in searched)
    if shape.kind != "mvau" or shape.fold.ram_style != "block":
        return count
    # the address is {fold, step} where rounding the steps up costs no address bit, see mvau.v
    steps, folds = shape.mw // shape.fold.simd, shape.mh // shape.fold.pe
    padded = folds * (1 << ceil(log2(steps)))
    same_bits = ceil(log2(padded)) == ceil(log2(shape.words)) if shape.words > 1 else True
    return count + ramb18s(padded if same_bits else shape.words, shape.word_bits)
