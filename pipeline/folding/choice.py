"""A folding: how many lanes each layer gets, and where its weights live; as files and in memory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import PipelineError
from pipeline.hardware.graph import Edge, HardwareGraph, LabelSelect, Layer, Mvau

RamStyle = Literal["lut", "block"]


@dataclass(frozen=True)
class Fold:
    """pe: output lanes (PE | MH, PE | C); simd: input lanes of an MVAU (SIMD | MW), else = pe.

    ram_style: where an MVAU keeps its weights: LUT ROM or block RAM.
    """

    pe: int
    simd: int
    ram_style: RamStyle = "lut"


Folding = dict[str, Fold]
"""By layer id; every layer has one."""


def cycles(layer: Layer, fold: Fold, source: Edge) -> int:
    """Clock cycles an image occupies `layer` (its II), given back-pressure-free neighbours."""
    if isinstance(layer, Mvau):
        return (layer.mh // fold.pe) * (layer.mw // fold.simd) * source.vectors
    return source.channels // fold.pe * source.vectors


def input_lanes(layer: Layer, fold: Fold) -> int:
    """Elements a beat of the layer's input stream carries."""
    return fold.simd if isinstance(layer, Mvau) else fold.pe


def output_lanes(layer: Layer, fold: Fold) -> int:
    """Elements a beat of the layer's output stream carries."""
    return 1 if isinstance(layer, LabelSelect) else fold.pe


def check(graph: HardwareGraph, folding: Folding) -> None:
    """Raises PipelineError naming every layer whose fold is missing or not legal."""
    found = [f"{name}: no such layer" for name in folding.keys() - {x.id for x in graph.layers}]
    for layer in graph.layers:
        fold = folding.get(layer.id)
        if fold is None:
            found.append(f"{layer.id}: has no fold")
            continue
        source, target = graph.edges[layer.input], graph.edges[layer.output]
        rows = source.channels if isinstance(layer, LabelSelect) else target.channels
        if fold.pe < 1 or rows % fold.pe:
            found.append(f"{layer.id}: PE {fold.pe} does not divide {rows}")
        if fold.simd < 1 or source.channels % fold.simd:
            found.append(f"{layer.id}: SIMD {fold.simd} does not divide {source.channels}")
    if found:
        raise PipelineError("folding: " + "; ".join(found))


def save(folding: Folding, path: Path) -> None:
    document = {"layers": {layer: asdict(fold) for layer, fold in folding.items()}}
    path.write_text(json.dumps(document, indent=1) + "\n")


def load(path: Path) -> Folding:
    document = json.loads(path.read_text())
    return {layer: Fold(**fold) for layer, fold in document["layers"].items()}
