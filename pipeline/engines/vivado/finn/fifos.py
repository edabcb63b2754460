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
"""Each stream has a FIFO of at least so many words, also where our RTL needs none: up to 32 words
are a shift register of one LUT for each bit, and FINN's nodes hold only two at their ends."""


def finn_depths(
    graph: HardwareGraph, folding: Folding, depths: Mapping[str, int]
) -> dict[str, int]:
    """By edge: the depth in FINN, in beats of the layer that writes it.

    depths: those of our RTL, in beats of its FIFO. FINN has its FIFO in front of the
    width converter, ours may lie behind it.
    """
    joined = links(graph, folding)
    found = {}
    for edge, depth in depths.items():
        link = joined[edge]
        beats = ceil(depth * link.fifo_lanes / link.producer_lanes)
        found[edge] = max(LEAST, MARGIN * beats)
    return found
