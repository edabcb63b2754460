"""Compares streams, and finds the first layer, image and element that differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.errors import VerificationError
from pipeline.hardware.graph import HardwareGraph


@dataclass(frozen=True)
class Difference:
    """The first difference in stream order. `layer` wrote the stream that is wrong."""

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
    """The first difference of streams [N, *edge.shape], layer by layer in the graph's order.

    Both sides must have the output of every layer, for the same number of images. Otherwise it
    raises KeyError or ValueError, because that is a fault of the caller.
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
    """Raises VerificationError naming the first difference. `who` says what is compared."""
    difference = first_difference(graph, expected, got)
    if difference is not None:
        raise VerificationError(f"{who}: not equal: {difference}")
