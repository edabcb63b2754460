"""Depths of FINN's FIFOs from those that our own RTL needs under the same fold."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.streams import links

MARGIN = 2
"""FINN's nodes are not ours: its windows and pools give out their values in other bursts. So each
FIFO is so many times as deep as our RTL needs it."""
LEAST = 32
"""A FIFO of up to 32 words is a shift register of one LUT for each bit, so less saves nothing."""
NONE = 2
"""What FINN's nodes hold at their ends anyway. FINN puts no FIFO where this is enough."""


def finn_depths(
    graph: HardwareGraph, folding: Folding, depths: Mapping[str, int]
) -> dict[str, int]:
    """By edge: the depth in FINN, in beats of the layer that writes it.

    depths: those of our RTL, in beats of its FIFO; 0 is none. FINN has its FIFO in front of the
    width converter, ours may lie behind it.
    """
    joined = links(graph, folding)
    found = {}
    for edge, depth in depths.items():
        link = joined[edge]
        beats = ceil(depth * link.fifo_lanes / link.producer_lanes)
        found[edge] = max(LEAST, MARGIN * beats) if depth else NONE
    return found
