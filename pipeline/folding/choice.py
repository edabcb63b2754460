"""A folding: how many lanes each layer gets, and where its weights live; as files and in memory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from pipeline.errors import PipelineError
from pipeline.folding.windows import swg_cycles
from pipeline.hardware.graph import (
    Edge,
    HardwareGraph,
    LabelSelect,
    Layer,
    Mvau,
    Pad,
    SlidingWindow,
    Threshold,
)

RamStyle = Literal["lut", "block"]
ThresholdStyle = Literal["compare", "table", "search"]
TABLE_BITS = 8
"""Bits of the widest value whose levels a table holds."""


@dataclass(frozen=True)
class Fold:
    """pe: output lanes (PE | MH, PE | C); simd: input lanes of an MVAU (SIMD | MW), else = pe.

    ram_style: where an MVAU keeps its weights, a sliding window its pixels: LUTs or block RAM.
    threshold_style: how thresholds turn a value into a level, see rtl/library/levels.v.
    """

    pe: int
    simd: int
    ram_style: RamStyle = "lut"
    threshold_style: ThresholdStyle = "compare"


Folding = dict[str, Fold]
"""By layer id; every layer has one."""


def cycles(layer: Layer, fold: Fold, source: Edge) -> int:
    """Clock cycles an image occupies `layer` (its II), given back-pressure-free neighbours."""
    if isinstance(layer, Mvau):
        vectors = source.elements // layer.mw
        return (layer.mh // fold.pe) * (layer.mw // fold.simd) * vectors
    if isinstance(layer, SlidingWindow):
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
    return source.elements // fold.pe


def input_lanes(layer: Layer, fold: Fold) -> int:
    """Elements a beat of the layer's input stream carries."""
    return fold.simd if isinstance(layer, Mvau) else fold.pe


def output_lanes(layer: Layer, fold: Fold) -> int:
    """Elements a beat of the layer's output stream carries."""
    return 1 if isinstance(layer, LabelSelect) else fold.pe


def lanes(layer: Layer, source: Edge) -> tuple[int, int]:
    """What the PE and the SIMD of a layer must divide."""
    if isinstance(layer, Mvau):
        return layer.mh, layer.mw
    return source.channels, source.channels


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


def check(graph: HardwareGraph, folding: Folding) -> None:
    """Raises PipelineError naming every layer whose fold is missing or not legal."""
    found = [f"{name}: no such layer" for name in folding.keys() - {x.id for x in graph.layers}]
    for layer in graph.layers:
        fold = folding.get(layer.id)
        if fold is None:
            found.append(f"{layer.id}: has no fold")
            continue
        source = graph.edges[layer.input]
        rows, columns = lanes(layer, source)
        if fold.pe < 1 or rows % fold.pe:
            found.append(f"{layer.id}: PE {fold.pe} does not divide {rows}")
        if fold.simd < 1 or columns % fold.simd:
            found.append(f"{layer.id}: SIMD {fold.simd} does not divide {columns}")
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


def save(folding: Folding, path: Path) -> None:
    document = {"layers": {layer: asdict(fold) for layer, fold in folding.items()}}
    path.write_text(json.dumps(document, indent=1) + "\n")


def load(path: Path) -> Folding:
    document = json.loads(path.read_text())
    return {layer: Fold(**fold) for layer, fold in document["layers"].items()}
