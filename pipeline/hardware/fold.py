"""A folding: how many lanes each layer has, and where its memories are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pipeline.hardware.layers import Layer, Mvau

RamStyle = Literal["lut", "block"]
ThresholdStyle = Literal["compare", "table", "search"]


@dataclass(frozen=True)
class Fold:
    """How one layer is folded.

    pe: output lanes. They divide MH of an MVAU, or the channels of another layer.
    simd: input lanes. They divide MW of an MVAU; other layers have simd = pe. A sliding window may
        give out a whole window per beat ("parallel"): then simd is the number of channels, and pe
        that of all values it gives of a window. Where values are left out, a beat of pe values is
        kept or left out as a whole.
    ram_style: what stores the weights of an MVAU or the pixels of a sliding window, LUTs or block
        RAM.
    threshold_style: how thresholds turn a value into a level; see rtl/library/levels.v.
    """

    pe: int
    simd: int
    ram_style: RamStyle = "lut"
    threshold_style: ThresholdStyle = "compare"


def is_unrolled(layer: Layer, fold: Fold) -> bool:
    """Whether `layer` is an MVAU that is not folded at all.

    Then its weights are constants, and its netlist has only those other than zero.
    """
    return isinstance(layer, Mvau) and (fold.pe, fold.simd) == (layer.mh, layer.mw)


Folding = dict[str, Fold]
"""The fold of every layer, by layer id."""


def save_folding(folding: Folding, path: Path) -> None:
    document = {"layers": {layer: asdict(fold) for layer, fold in folding.items()}}
    path.write_text(json.dumps(document, indent=1) + "\n")


def load_folding(path: Path) -> Folding:
    document = json.loads(path.read_text())
    return {layer: Fold(**fold) for layer, fold in document["layers"].items()}
