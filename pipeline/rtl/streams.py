"""What is between two layers: a width converter and a FIFO, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge
from pipeline.rtl.folds import FOLDS, output_lanes
from pipeline.rtl.ram import lut_ram_luts


@dataclass(frozen=True)
class Link:
    """An edge in a folded design: producer -> [width converter] -> consumer, with a FIFO.

    The FIFO is before the width converter if `fifo_first`, else after it. Its depth counts beats of
    `fifo_lanes` elements.
    """

    edge: Edge
    producer_lanes: int
    consumer_lanes: int
    fifo_first: bool

    @property
    def converts(self) -> bool:
        return self.producer_lanes != self.consumer_lanes

    @property
    def middle_lanes(self) -> int:
        return lcm(self.producer_lanes, self.consumer_lanes)

    @property
    def fifo_lanes(self) -> int:
        return self.producer_lanes if self.fifo_first else self.consumer_lanes

    @property
    def fifo_width(self) -> int:
        """Bits of a beat of the FIFO."""
        return self.fifo_lanes * self.edge.dtype.bits


def links(graph: HardwareGraph, folding: Folding) -> dict[str, Link]:
    """The links by edge id, in stream order. The top ports have the lanes of their layer."""
    consumers: dict[str, int] = {}
    producers: dict[str, int] = {}
    bursty = set()
    for layer in graph.layers:
        consumers |= dict.fromkeys(layer.inputs, folding[layer.id].simd)
        if FOLDS[layer.kind].bursty:
            bursty.add(layer.input)
        producers |= dict.fromkeys(layer.outputs, output_lanes(layer, folding[layer.id]))
    found = {}
    for name in dict.fromkeys(
        name for layer in graph.layers for name in (*layer.inputs, *layer.outputs)
    ):
        edge = graph.edges[name]
        producer = producers.get(name, consumers.get(name, 1))
        consumer = consumers.get(name, producer)
        first = _vector_luts(edge, producer) <= _vector_luts(edge, consumer)
        if name in bursty and producer < consumer:
            # it takes nothing for a while and then a beat a cycle, which no converter collects
            first = False
        found[name] = Link(edge, producer, consumer, first)
    return found


def _vector_luts(edge: Edge, lanes: int) -> int:
    """LUTs of a LUT RAM for one channel vector of `edge` in beats of `lanes` elements.

    The side of the FIFO depends only on this, not on its depth, so that depths can be searched.
    """
    return lut_ram_luts(lanes * edge.dtype.bits, -(-edge.channels // lanes))
