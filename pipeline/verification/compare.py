"""Comparing streams: which layer, which image, which element differs first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.errors import VerificationError
from pipeline.hardware.graph import HardwareGraph


@dataclass(frozen=True)
class Difference:
    """The first difference in stream order: `layer` wrote the stream that is not as expected."""

    layer: str
    image: int
    element: tuple[int, ...]
    expected: int
    got: int

    def __str__(self) -> str:
        place = ", ".join(map(str, self.element))
        return (
            f"layer {self.layer}, image {self.image}, element [{place}]: "
            f"expected {self.expected}, got {self.got}"
        )


def first_difference(
    graph: HardwareGraph, expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]
) -> Difference | None:
    """Compares streams [N, *edge.shape] layer by layer in the order of the graph.

    Every layer's output must be in both. A stream of fewer images, or none, is a difference too:
    it is reported as a KeyError or ValueError, since it is a fault of the caller.
    """
    for layer, edge in [(writer, edge) for writer in graph.layers for edge in writer.outputs]:
        a, b = expected[edge], got[edge]
        if a.shape != b.shape or a.shape[0] == 0:
            raise ValueError(f"stream {edge}: shapes {a.shape} and {b.shape}")
        where = np.argwhere(a != b)
        if len(where):
            image, *element = (int(index) for index in where[0])
            index = (image, *element)
            return Difference(layer.id, image, tuple(element), int(a[index]), int(b[index]))
    return None


def require_equal(
    graph: HardwareGraph,
    expected: Mapping[str, np.ndarray],
    got: Mapping[str, np.ndarray],
    who: str,
) -> None:
    """Raises VerificationError naming the first difference; `who` says what is compared."""
    difference = first_difference(graph, expected, got)
    if difference is not None:
        raise VerificationError(f"{who}: not equal: {difference}")
