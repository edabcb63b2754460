"""The design space of a folding: every fold of each layer with its costs, and the budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.hardware.fold import Fold


@dataclass(frozen=True)
class Option:
    """One legal fold of one layer: its cycles per image, its lanes, its estimated resources.

    loss: how much accuracy is lost by what this option leaves out of the layer, in steps of one
        size; see pipeline/planning.
    """

    fold: Fold
    cycles: int
    input_lanes: int
    output_lanes: int
    lut: int
    bram18: int
    loss: int = 0


Junction = Callable[[int, int, int], float]
"""LUTs between two layers by the layer's number, output lanes before it, and its input lanes."""


@dataclass(frozen=True)
class Budget:
    """What a network may use: LUTs, RAMB18s (halves of a BRAM36), input bits per clock cycle.

    loss: the most accuracy that may be lost, see `Option.loss`.
    """

    lut: float
    bram18: float
    input_bits: float
    loss: float = math.inf


@dataclass(frozen=True)
class Space:
    """Every legal fold of each layer, in stream order, and the cost of what is between two layers.

    junction(i, output lanes of layer i-1, input lanes of layer i): LUTs of the width converter
        between the two; infinite if they cannot be neighbours.
    element_bits: bits of one element of the network's input.
    before: for each layer, the layers that its inputs come from. If it is empty, each layer reads
        the one before it.
    second: like `junction`, for the second input of a join.
    searched: a description of these folds, for certificates.
    """

    layers: tuple[str, ...]
    options: tuple[tuple[Option, ...], ...]
    junction: Junction
    element_bits: int
    before: tuple[tuple[int, ...], ...] = ()
    second: Junction | None = None
    searched: str = ""

    @property
    def joins(self) -> bool:
        """Whether two branches meet somewhere."""
        return any(len(inputs) > 1 for inputs in self.before)

    def blocks(self) -> dict[int, Block]:
        """For each join, the fork and the two branches that end there.

        Raises ValueError if there is a fork or a join inside a branch.
        """
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
                        raise ValueError(
                            f"{self.layers[join]}: its branches do not begin at one fork"
                        )
                    way.append(at)
                    (at,) = self.before[at]
                ways.append(tuple(reversed(way)))
            found[join] = Block(fork, (ways[0], ways[1]))
        return found

    def iis(self) -> list[int]:
        """Every II that a folding can have, in ascending order."""
        least = max(min(option.cycles for option in layer) for layer in self.options)
        counts = {option.cycles for layer in self.options for option in layer}
        return sorted(count for count in counts if count >= least)


class Block(NamedTuple):
    """A fork, and the layers of its two branches up to a join."""

    fork: int
    ways: tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Solution:
    """A folding with its II and its estimated resources, width converters included."""

    choice: tuple[Option, ...]
    ii: int
    lut: int
    bram18: int
