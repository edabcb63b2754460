"""Layers that copy, add or thin out streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pipeline.hardware.layers.base import Edge, Layer, check_range
from pipeline.hardware.layers.kept import check_kept


@dataclass(frozen=True, eq=False)
class Fork(Layer):
    """Copies the input to two outputs."""

    kind: ClassVar[str] = "fork"
    copy: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.output, self.copy)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        for edge in (target, *others):
            if (edge.dtype, edge.shape) != (source.dtype, source.shape):
                yield f"{edge.id} is not what {source.id} is: {source.dtype.name} {source.shape}"


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """y = factors[0] * input + factors[1] * other, element by element. Neither may be BIPOLAR.

    factors: integers other than 0.
    """

    kind: ClassVar[str] = "add"
    other: str = ""
    factors: tuple[int, int] = (1, 1)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input, self.other)

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        sources = (source, *others)
        if source.shape != others[0].shape or not target.has_shape(source.shape):
            yield f"shapes {[edge.shape for edge in sources]} become {target.shape}"
        if any(edge.dtype.bipolar for edge in sources):
            yield "a BIPOLAR input, which is not added"
        if 0 in self.factors:
            yield f"factors {self.factors}; an input times 0 is no input"
        yield from check_range(self.range(source, *others), target)

    def range(self, source: Edge, other: Edge) -> tuple[int, int]:
        """Smallest and greatest output."""
        edges = zip((source, other), self.factors, strict=True)
        ends = [sorted((f * edge.dtype.min, f * edge.dtype.max)) for edge, f in edges]
        return ends[0][0] + ends[1][0], ends[0][1] + ends[1][1]


@dataclass(frozen=True, eq=False)
class Select(Layer):
    """The kept elements of each image, in stream order, as one vector.

    kept: positions among all elements of an image, ascending.
    """

    kind: ClassVar[str] = "select"
    kept: tuple[int, ...] = ()

    def check(self, source: Edge, target: Edge, *others: Edge) -> Iterator[str]:
        yield from check_kept(self.kept, source.elements)
        if target.shape != (len(self.kept),):
            yield f"output shape is {target.shape}, not {(len(self.kept),)}"
        if target.dtype != source.dtype:
            yield f"{source.dtype.name} becomes {target.dtype.name}"
