"""Which folds the modules of our RTL library have, and the cycles they take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from pipeline.errors import PipelineError
from pipeline.hardware.fold import Fold, Folding, RamStyle, ThresholdStyle
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, LabelSelect, Layer, Mvau, Pad, SlidingWindow, Threshold
from pipeline.rtl.windows import swg_cycles

LEAST_ROW = 3
"""Pixels in a row of a map whose windows can be handed out whole, see parallel_window.v."""
TABLE_BITS = 8
"""Bits of the widest value whose levels a table holds."""


def cycles(layer: Layer, fold: Fold, source: Edge) -> int:
    """Clock cycles an image occupies `layer` (its II), given back-pressure-free neighbours."""
    if isinstance(layer, Mvau):
        vectors = source.elements // layer.mw
        return (layer.mh // fold.pe) * (layer.mw // fold.simd) * vectors
    if isinstance(layer, SlidingWindow) and not is_whole_window(layer, fold, source):
        height, width, channels = source.shape
        return swg_cycles(
            (height, width),
            layer.kernel,
            layer.stride,
            channels // fold.pe,
            block=fold.ram_style == "block",
        )
    if isinstance(layer, Pad):
        height, width, channels = source.shape
        rows, columns = height + sum(layer.rows), width + sum(layer.columns)
        return channels // fold.pe * rows * columns
    return source.elements // fold.simd


def output_lanes(layer: Layer, fold: Fold) -> int:
    """Elements a beat of the layer's output stream carries."""
    return 1 if isinstance(layer, LabelSelect) else fold.pe


def lanes(layer: Layer, source: Edge) -> tuple[int, int]:
    """What the PE and the SIMD of a layer must divide, but for whole windows."""
    if isinstance(layer, Mvau):
        return layer.mh, layer.mw
    return source.channels, source.channels


def is_whole_window(layer: Layer, fold: Fold, source: Edge) -> bool:
    """Whether `layer` is a sliding window that hands out a whole window a beat."""
    return (fold.pe, fold.simd) == whole_window(layer, source)


def whole_window(layer: Layer, source: Edge) -> tuple[int, int] | None:
    """PE and SIMD of a sliding window that takes a pixel a beat and hands out whole windows.

    None: the layer has no such fold. A window of one pixel is whole anyway; and the module reads
    what it wrote three columns before.
    """
    if not isinstance(layer, SlidingWindow) or layer.kernel == (1, 1):
        return None
    if layer.kernel[0] > 1 and source.shape[1] < LEAST_ROW:
        return None
    return layer.kernel[0] * layer.kernel[1] * source.channels, source.channels


def threshold_styles(layer: Layer, source: Edge) -> tuple[ThresholdStyle, ...]:
    """The legal threshold styles of a layer: a table takes values of at most TABLE_BITS.

    An MVAU of one threshold or none has nothing to choose: the result is a sign, or the sum.
    """
    if isinstance(layer, Threshold):
        bits = source.dtype.bits
    elif isinstance(layer, Mvau) and layer.thresholds is not None and layer.thresholds.shape[1] > 1:
        bits = layer.accumulator.bits
    else:
        return ("compare",)
    return ("compare", "table", "search") if bits <= TABLE_BITS else ("compare", "search")


def check_folding(graph: HardwareGraph, folding: Folding) -> None:
    """Raises PipelineError naming every layer whose fold is missing or not legal."""
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
