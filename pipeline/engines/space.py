"""What a folding is chosen from: every fold of each layer with its costs, and what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.hardware.fold import Fold


@dataclass(frozen=True)
class Option:
    """One legal fold of one layer: its cycles an image, its lanes, its estimated resources."""

    fold: Fold
    cycles: int
    input_lanes: int
    output_lanes: int
    lut: int
    bram18: int


@dataclass(frozen=True)
class Budget:
    """What a network may take: LUTs, RAMB18 halves, and bits a clock of the input stream."""

    lut: float
    bram18: float
    input_bits: float


@dataclass(frozen=True)
class Space:
    """Every legal fold of each layer in stream order, and what a junction of two costs.

    junction(i, output lanes of layer i-1, input lanes of layer i) -> LUTs between them.
    element_bits: bits of one element of the network's input.
    before: of each layer, the layers that its inputs come from; empty: the one in front of it.
    second: as `junction`, for the second input of a join.
    searched: which folds these are, in words, for certificates.
    """

    layers: tuple[str, ...]
    options: tuple[tuple[Option, ...], ...]
    junction: Callable[[int, int, int], int]
    element_bits: int
    before: tuple[tuple[int, ...], ...] = ()
    second: Callable[[int, int, int], int] | None = None
    searched: str = ""

    @property
    def joins(self) -> bool:
        """Whether two ways meet somewhere."""
        return any(len(inputs) > 1 for inputs in self.before)

    def blocks(self) -> dict[int, Block]:
        """By join: from where its ways come. ValueError: a fork or a join inside a way."""
        found = {}
        for join, inputs in enumerate(self.before):
            if len(inputs) < 2:
                continue
            fork = max(i for i in range(join) if sum(x.count(i) for x in self.before) > 1)
            ways: list[tuple[int, ...]] = []
            for end in inputs:
                way, at = [], end
                while at != fork:
                    if at < fork or len(self.before[at]) != 1:
                        raise ValueError(f"{self.layers[join]}: its ways do not begin at one fork")
                    way.append(at)
                    (at,) = self.before[at]
                ways.append(tuple(reversed(way)))
            found[join] = Block(fork, (ways[0], ways[1]))
        return found

    def iis(self) -> list[int]:
        """Every II that a folding can have, ascending: cycle counts no layer must exceed."""
        least = max(min(option.cycles for option in layer) for layer in self.options)
        counts = {option.cycles for layer in self.options for option in layer}
        return sorted(count for count in counts if count >= least)


class Block(NamedTuple):
    """A fork, and the layers of its two ways up to a join."""

    fork: int
    ways: tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Solution:
    """A folding with its II and its estimated resources, junctions included."""

    choice: tuple[Option, ...]
    ii: int
    lut: int
    bram18: int
