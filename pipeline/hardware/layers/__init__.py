"""The kinds of layers of the hardware graph: what each computes, and what it requires of its edges.

Shapes are those of one image, channels innermost (NHWC).
"""

from __future__ import annotations

from pipeline.hardware.layers.base import Edge, Layer, Pair
from pipeline.hardware.layers.dense import (
    LabelSelect,
    Mvau,
    Threshold,
    accumulator_range,
    shares_thresholds,
)
from pipeline.hardware.layers.kept import kept_block, kept_words
from pipeline.hardware.layers.maps import MaxPool, Pad, SlidingWindow, SumPool
from pipeline.hardware.layers.streams import Add, Fork, Select

__all__ = [
    "KINDS",
    "Add",
    "Edge",
    "Fork",
    "LabelSelect",
    "Layer",
    "MaxPool",
    "Mvau",
    "Pad",
    "Pair",
    "Select",
    "SlidingWindow",
    "SumPool",
    "Threshold",
    "accumulator_range",
    "kept_block",
    "kept_words",
    "shares_thresholds",
]

KINDS: dict[str, type[Layer]] = {
    cls.kind: cls
    for cls in (
        *(Threshold, Mvau, LabelSelect),
        *(SlidingWindow, Pad, MaxPool, SumPool),
        *(Fork, Add, Select),
    )
}
