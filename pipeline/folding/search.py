"""Exact search of the folding of a chain of layers.

With the largest cycle count as the objective, a bound on it makes layers independent but for the
widths of the streams between neighbours. So for a bound on the II the least resources come from a
dynamic program along the chain whose labels are Pareto sets of (LUT, BRAM18) by output lanes, and
the least II from a bisection over the cycle counts that layers can have at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.folding.choice import Fold


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
    """

    layers: tuple[str, ...]
    options: tuple[tuple[Option, ...], ...]
    junction: Callable[[int, int, int], int]
    element_bits: int

    def iis(self) -> list[int]:
        """Every II that a folding can have, ascending: cycle counts no layer must exceed."""
        least = max(min(option.cycles for option in layer) for layer in self.options)
        counts = {option.cycles for layer in self.options for option in layer}
        return sorted(count for count in counts if count >= least)


@dataclass(frozen=True)
class Solution:
    """A folding with its II and its estimated resources, junctions included."""

    choice: tuple[Option, ...]
    ii: int
    lut: int
    bram18: int


def least(space: Space, ii: int, budget: Budget) -> list[Solution]:
    """The Pareto set of (LUT, BRAM18) over all foldings with an II of at most `ii`, in budget.

    Empty if there is none. Ascending in LUT.
    """
    labels = _Labels(space, ii, budget)
    return [labels.solution(bram18) for bram18 in labels.pareto()]


class _Labels:
    """The dynamic program's labels: for each number of RAMB18 the least LUTs that reach it.

    After every layer there is an array by output lanes, and before it one by input lanes; what led
    to a label is found again from the numbers themselves, which are whole and so compare exactly.
    """

    def __init__(self, space: Space, ii: int, budget: Budget) -> None:
        self.space = space
        self.options = [
            [option for option in options if option.cycles <= ii] for options in space.options
        ]
        most = sum(max((o.bram18 for o in options), default=0) for options in self.options)
        self.size = int(min(budget.bram18, most)) + 1
        self.before: list[dict[int, np.ndarray]] = []
        self.after: list[dict[int, np.ndarray]] = []
        for i, options in enumerate(self.options):
            self.before.append(self._reached(i, {o.input_lanes for o in options}, budget))
            self.after.append(self._extended(i, budget))
        ends = list(self.after[-1].values())
        self.total: np.ndarray = np.min(ends, axis=0) if ends else np.full(self.size, np.inf)

    def _reached(self, i: int, lanes: set[int], budget: Budget) -> dict[int, np.ndarray]:
        """Least LUTs to arrive at layer i, its junction paid, by input lanes."""
        if i == 0:
            start = np.full(self.size, np.inf)
            start[:1] = 0
            bits = self.space.element_bits
            return {n: start for n in lanes if n * bits <= budget.input_bits}
        if not self.after[i - 1]:
            return {}
        producers = np.array(list(self.after[i - 1].values()))
        found = {}
        for n in lanes:
            paid = [self.space.junction(i, before, n) for before in self.after[i - 1]]
            found[n] = (producers + np.array(paid)[:, None]).min(axis=0)
        return found

    def _extended(self, i: int, budget: Budget) -> dict[int, np.ndarray]:
        found: dict[int, np.ndarray] = {}
        for option in self.options[i]:
            reached = self.before[i].get(option.input_lanes)
            if reached is None or option.bram18 >= self.size:
                continue
            label = found.setdefault(option.output_lanes, np.full(self.size, np.inf))
            part = label[option.bram18 :]
            np.minimum(part, reached[: self.size - option.bram18] + option.lut, out=part)
        for label in found.values():
            label[label > budget.lut] = np.inf
        return {lanes: label for lanes, label in found.items() if np.isfinite(label).any()}

    def pareto(self) -> list[int]:
        """RAMB18 counts of which no lower one has as few LUTs, ascending in LUT."""
        below = np.minimum.accumulate(np.concatenate([[np.inf], self.total[:-1]]))
        found: list[int] = np.flatnonzero(self.total < below).tolist()
        return found[::-1]

    def solution(self, bram18: int) -> Solution:
        """The choice behind the label of `bram18` at the end."""
        lut = self.total[bram18]
        choice: list[Option] = []
        lanes, left, value = None, bram18, lut
        for i in reversed(range(len(self.options))):
            option = next(
                o
                for o in self.options[i]
                if o.bram18 <= left
                and (lanes is None or o.output_lanes == lanes)
                and o.input_lanes in self.before[i]
                and self.before[i][o.input_lanes][left - o.bram18] + o.lut == value
            )
            choice.append(option)
            left, value = left - option.bram18, value - option.lut
            if i:
                lanes, paid = next(
                    (before, paid)
                    for before, label in self.after[i - 1].items()
                    if label[left] + (paid := self.space.junction(i, before, option.input_lanes))
                    == value
                )
                value -= paid
        choice.reverse()
        ii = max(option.cycles for option in choice)
        return Solution(tuple(choice), ii, int(lut), bram18)


def cheapest(space: Space, ii: int, budget: Budget, board: Budget) -> Solution | None:
    """The solution with II <= `ii` of the least sum of shares of the board's LUT and BRAM."""
    solutions = least(space, ii, budget)
    return min(
        solutions,
        key=lambda s: (s.lut / board.lut + s.bram18 / board.bram18, s.lut),
        default=None,
    )


def fastest(space: Space, budget: Budget) -> int | None:
    """The least II that fits the budget; None if nothing fits."""
    iis = space.iis()
    low, high = 0, len(iis)  # everything before low does not fit, iis[high] fits
    while low < high:
        middle = (low + high) // 2
        if _Labels(space, iis[middle], budget).pareto():
            high = middle
        else:
            low = middle + 1
    return iis[low] if low < len(iis) else None


@dataclass(frozen=True)
class Need:
    """The least of one resource that any folding at an II needs when nothing else is short."""

    resource: str
    need: float
    have: float


def needs(space: Space, ii: int, budget: Budget) -> list[Need]:
    """For each resource the least that an II of at most `ii` needs, against the budget."""
    free = Budget(math.inf, math.inf, math.inf)
    solutions = least(space, ii, free)
    inputs = [option.input_lanes for option in space.options[0] if option.cycles <= ii]
    return [
        Need("lut", solutions[0].lut, budget.lut),
        Need("bram18", solutions[-1].bram18, budget.bram18),
        Need("input_bits", min(inputs) * space.element_bits, budget.input_bits),
    ]


def binding(space: Space, ii: int, budget: Budget) -> list[Need]:
    """Why an II of at most `ii` does not fit. Empty if it does.

    Each resource that is short by itself; else each that is short given the two others; else all
    three, none of which is short alone.
    """
    if least(space, ii, budget):
        return []
    found = needs(space, ii, budget)
    alone = [need for need in found if need.need > need.have]
    if alone:
        return alone
    # each is enough by itself, but not together: those whose lifting alone makes it fit
    lifted = {
        "lut": replace(budget, lut=math.inf),
        "bram18": replace(budget, bram18=math.inf),
        "input_bits": replace(budget, input_bits=math.inf),
    }
    single = [
        Need(need.resource, _need_given_rest(space, ii, lifted[need.resource], need), need.have)
        for need in found
        if least(space, ii, lifted[need.resource])
    ]
    return single or found


def _need_given_rest(space: Space, ii: int, lifted: Budget, need: Need) -> float:
    solutions = least(space, ii, lifted)
    if need.resource == "lut":
        return solutions[0].lut
    if need.resource == "bram18":
        return solutions[-1].bram18
    widths = sorted({option.input_lanes * space.element_bits for option in space.options[0]})
    return next(bits for bits in widths if least(space, ii, replace(lifted, input_bits=bits)))


def front(space: Space, budget: Budget) -> list[Solution]:
    """The Pareto front of (II, LUT, BRAM18) in the budget, ascending in II, then in LUT."""
    found: list[Solution] = []
    best = np.full(0, np.inf)  # least LUTs of those found, all of a lower II, by RAMB18 at most
    for ii in space.iis():
        labels = _Labels(space, ii, budget)
        best = np.concatenate([best, np.full(max(0, labels.size - len(best)), np.inf)])
        best = np.minimum.accumulate(best)
        new = [b for b in labels.pareto() if labels.total[b] < best[b]]
        found += [labels.solution(bram18) for bram18 in new]
        best[new] = labels.total[new]
    return found
