"""The folds that the modules of our RTL library allow, and the cycles they take.

A new layer kind needs an entry in FOLDS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pipeline.errors import PipelineError
from pipeline.hardware.fold import Fold, Folding, RamStyle, ThresholdStyle
from pipeline.hardware.graph import HardwareGraph
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
    kept_block,
    kept_words,
)
from pipeline.rtl.windows import swg_cycles

LEAST_ROW = 3
"""A sliding window can give out whole windows if its rows have so many pixels; see
parallel_window.v."""
TABLE_BITS = 8
"""The most bits of a value whose level is looked up in a table."""
LEAST_BLOCK_DEPTH = 64
"""A weight memory with fewer words stays in LUTs: one LUT6 is a ROM of 64 words."""
SEARCHED = (
    "every PE that divides the output channels, every SIMD that divides the input channels; "
    f"weights in LUTs or, of {LEAST_BLOCK_DEPTH} words or more, in block RAM; sliding windows a "
    "part of a pixel, a pixel or a whole window a beat, their pixels in LUTs or block RAM; of a "
    "pruned window, parts that are kept or dropped as a whole; "
    "thresholds in the style that is cheapest for the fold"
)
"""A description of all legal folds, for certificates."""


def cycles(layer: Layer, fold: Fold, source: Edge) -> int:
    """Cycles that `layer` takes for an image (its II) if its neighbours never make it wait."""
    return FOLDS[layer.kind].cycles(layer, fold, source)


def output_lanes(layer: Layer, fold: Fold) -> int:
    """Elements in a beat of the layer's output stream."""
    return FOLDS[layer.kind].output_lanes(fold)


def lanes(layer: Layer, source: Edge) -> tuple[int, int]:
    """The numbers that PE and SIMD of a layer must divide, unless it gives out whole windows."""
    return FOLDS[layer.kind].lanes(layer, source)


def folds(layer: Layer, source: Edge) -> Iterator[Fold]:
    """Every legal fold, without the choice of threshold styles.

    For an MVAU, SIMD divides MW and PE divides MH. For other layers PE = SIMD divides the channels.
    A sliding window may also give out whole windows, see `whole_window`.
    """
    return FOLDS[layer.kind].every(layer, source)


def threshold_styles(layer: Layer, source: Edge) -> tuple[ThresholdStyle, ...]:
    """The legal threshold styles of a layer. Tables take values of at most TABLE_BITS bits.

    For a layer without a choice it is the first style.
    """
    bits = FOLDS[layer.kind].compared_bits(layer, source)
    if bits is None:
        return ("compare",)
    return ("compare", "table", "search") if bits <= TABLE_BITS else ("compare", "search")


def is_whole_window(layer: Layer, fold: Fold, source: Edge) -> bool:
    """Whether `layer` is a sliding window that gives out a whole window per beat."""
    return (fold.pe, fold.simd) == whole_window(layer, source)


def whole_window(layer: Layer, source: Edge) -> tuple[int, int] | None:
    """PE and SIMD of a sliding window that takes one pixel and gives one whole window per beat.

    Of a pruned window the beat has only what is kept. None if the layer has no such fold. A window
    that gives one pixel needs none, and the module needs rows of at least LEAST_ROW pixels, since
    it reads what it wrote three columns before.
    """
    if not isinstance(layer, SlidingWindow):
        return None
    if layer.kernel[0] > 1 and source.shape[1] < LEAST_ROW:
        return None
    given, channels = layer.elements(source), source.channels
    if given == channels == kept_block(layer.kept, channels):
        return None
    return given, channels


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def _channels(layer: Layer, source: Edge) -> tuple[int, int]:
    return source.channels, source.channels


def _blocks(layer: SlidingWindow | Select, source: Edge) -> tuple[int, int]:
    """So that each beat is kept or dropped as a whole."""
    block = kept_block(layer.kept, source.channels)
    return block, block


def _matrix(layer: Mvau, source: Edge) -> tuple[int, int]:
    return layer.mh, layer.mw


def _beats(layer: Layer, fold: Fold, source: Edge) -> int:
    return source.elements // fold.simd


def _mvau_cycles(layer: Mvau, fold: Fold, source: Edge) -> int:
    vectors = source.elements // layer.mw
    return (layer.mh // fold.pe) * (layer.mw // fold.simd) * vectors


def _swg_cycles(layer: SlidingWindow, fold: Fold, source: Edge) -> int:
    if is_whole_window(layer, fold, source):
        return _beats(layer, fold, source)
    height, width, channels = source.shape
    return swg_cycles(
        (height, width),
        layer.kernel,
        layer.stride,
        channels // fold.pe,
        block=fold.ram_style == "block",
        kept=None if layer.kept is None else kept_words(layer.kept, fold.pe),
    )


def _pad_cycles(layer: Pad, fold: Fold, source: Edge) -> int:
    height, width, channels = source.shape
    rows, columns = height + sum(layer.rows), width + sum(layer.columns)
    return channels // fold.pe * rows * columns


def _pe(fold: Fold) -> int:
    return fold.pe


def _one(fold: Fold) -> int:
    return 1


def _every(layer: Layer, source: Edge) -> Iterator[Fold]:
    for pe in divisors(lanes(layer, source)[0]):
        yield Fold(pe, pe)


def _every_mvau(layer: Mvau, source: Edge) -> Iterator[Fold]:
    for pe in divisors(layer.mh):
        for simd in divisors(layer.mw):
            yield Fold(pe, simd, "lut")
            if (layer.mh // pe) * (layer.mw // simd) >= LEAST_BLOCK_DEPTH:
                yield Fold(pe, simd, "block")


def _every_swg(layer: SlidingWindow, source: Edge) -> Iterator[Fold]:
    for pe in divisors(lanes(layer, source)[0]):
        yield Fold(pe, pe)
        yield Fold(pe, pe, "block")
    if (whole := whole_window(layer, source)) is not None:
        yield Fold(*whole)
        if layer.kernel[0] > 1:
            yield Fold(*whole, "block")


def _nothing_compared(layer: Layer, source: Edge) -> None:
    return None


def _threshold_bits(layer: Threshold, source: Edge) -> int:
    return source.dtype.bits


def _mvau_bits(layer: Mvau, source: Edge) -> int | None:
    """Also None for a single threshold: then the result is a sign, and nothing is compared."""
    if layer.thresholds is None or layer.thresholds.shape[1] == 1:
        return None
    return layer.accumulator.bits


@dataclass(frozen=True)
class Folds:
    """The folds that the module of one layer kind allows.

    lanes: the numbers that PE and SIMD must divide.
    cycles: cycles for an image, as in `cycles`.
    output_lanes: elements of an output beat.
    every: all folds, without the choice of threshold styles.
    compared_bits: bits of the values that are compared with several thresholds; None if there are
        none.
    bursty: whether the layer takes nothing for a while and then a beat per cycle. A width converter
        before it cannot collect beats for that.
    """

    lanes: Callable[[Any, Edge], tuple[int, int]] = _channels
    cycles: Callable[[Any, Fold, Edge], int] = _beats
    output_lanes: Callable[[Fold], int] = _pe
    every: Callable[[Any, Edge], Iterator[Fold]] = _every
    compared_bits: Callable[[Any, Edge], int | None] = _nothing_compared
    bursty: bool = False


FOLDS: dict[str, Folds] = {
    Threshold.kind: Folds(compared_bits=_threshold_bits),
    Mvau.kind: Folds(_matrix, _mvau_cycles, every=_every_mvau, compared_bits=_mvau_bits),
    LabelSelect.kind: Folds(output_lanes=_one),
    SlidingWindow.kind: Folds(_blocks, _swg_cycles, every=_every_swg, bursty=True),
    Pad.kind: Folds(cycles=_pad_cycles, bursty=True),
    MaxPool.kind: Folds(),
    SumPool.kind: Folds(),
    Fork.kind: Folds(),
    Add.kind: Folds(),
    Select.kind: Folds(_blocks),
}
"""By layer kind. The defaults are those of a layer that takes PE channels per beat."""


def check_folding(graph: HardwareGraph, folding: Folding) -> None:
    """Raises PipelineError naming every layer whose fold is missing or illegal."""
    found = [f"{name}: no such layer" for name in folding.keys() - {x.id for x in graph.layers}]
    for layer in graph.layers:
        fold = folding.get(layer.id)
        if fold is None:
            found.append(f"{layer.id}: has no fold")
            continue
        source = graph.edges[layer.input]
        found += [f"{layer.id}: {text}" for text in _check_lanes(layer, fold, source)]
        if fold.ram_style not in get_args(RamStyle):
            allowed = ", ".join(get_args(RamStyle))
            found.append(f"{layer.id}: ram_style {fold.ram_style!r}; allowed: {allowed}")
        styles = threshold_styles(layer, source)
        if fold.threshold_style not in styles:
            found.append(
                f"{layer.id}: threshold_style {fold.threshold_style!r}; allowed for this layer: "
                f"{', '.join(styles)}"
            )
    if found:
        raise PipelineError("folding: " + "; ".join(found))


def _check_lanes(layer: Layer, fold: Fold, source: Edge) -> Iterator[str]:
    if is_whole_window(layer, fold, source):
        return
    rows, columns = lanes(layer, source)
    if fold.pe < 1 or rows % fold.pe:
        yield f"PE {fold.pe} does not divide {rows}"
    if fold.simd < 1 or columns % fold.simd:
        yield f"SIMD {fold.simd} does not divide {columns}"
    if fold.pe != fold.simd and not isinstance(layer, Mvau):
        whole = whole_window(layer, source)
        other = "" if whole is None else f", or PE {whole[0]}, SIMD {whole[1]}: a window a beat"
        yield f"PE {fold.pe} is not SIMD {fold.simd}; allowed: equal{other}"
