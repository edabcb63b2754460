"""Streams, and what all kinds of layers have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.hardware.datatypes import DataType

Pair = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True)
class Edge:
    """One stream: its datatype, and the shape of one image on it, channels innermost."""

    id: str
    dtype: DataType
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def vectors(self) -> int:
        """Number of channel vectors in one image: 1 for a dense layer, H*W for a feature map."""
        return int(np.prod(self.shape[:-1]))

    @property
    def elements(self) -> int:
        """Number of elements in one image."""
        return int(np.prod(self.shape))

    def has_shape(self, shape: tuple[int, ...]) -> bool:
        """Whether this is its shape, or that of the same map as a vector in stream order."""
        return self.shape in (shape, (int(np.prod(shape)),))


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of the graph.

    input, output: ids of its first input edge and its first output edge; the properties `inputs`
    and `outputs` have all of them. finn_names: the FINN nodes, before specialisation, that it
    stands for.
    """

    kind: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]] = ()
    id: str
    input: str
    output: str
    finn_names: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.output,)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        """Yields every inconsistency between the layer and its edges.

        others: the edges of further inputs, then of further outputs.
        """
        yield from ()


def check_range(ends: tuple[int, int], target: Edge) -> Iterator[str]:
    if target.dtype.bipolar or ends[0] < target.dtype.min or ends[1] > target.dtype.max:
        yield f"sums reach {ends[0]}..{ends[1]}, more than {target.dtype.name} holds"
