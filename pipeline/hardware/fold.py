"""A folding: the lanes of each layer, and where its memories live; as files and in memory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

RamStyle = Literal["lut", "block"]
ThresholdStyle = Literal["compare", "table", "search"]


@dataclass(frozen=True)
class Fold:
    """pe: output lanes (PE | MH, PE | C); simd: input lanes (SIMD | MW of an MVAU, else = pe).

    A sliding window may hand out a whole window a beat ("parallel"): then simd is all channels, pe
    all pixels of the window with all their channels.
    ram_style: where an MVAU keeps its weights, a sliding window its pixels: LUTs or block RAM.
    threshold_style: how thresholds turn a value into a level, see rtl/library/levels.v.
    """

    pe: int
    simd: int
    ram_style: RamStyle = "lut"
    threshold_style: ThresholdStyle = "compare"


Folding = dict[str, Fold]
"""By layer id; every layer has one."""


def save_folding(folding: Folding, path: Path) -> None:
    document = {"layers": {layer: asdict(fold) for layer, fold in folding.items()}}
    path.write_text(json.dumps(document, indent=1) + "\n")


def load_folding(path: Path) -> Folding:
    document = json.loads(path.read_text())
    return {layer: Fold(**fold) for layer, fold in document["layers"].items()}
