"""Exact search of the folding of a chain of layers.

With the largest cycle count as the objective, a bound on it makes layers independent but for the
widths of the streams between neighbours. So for a bound on the II the least resources come from a
dynamic program along the chain whose labels are Pareto sets of (LUT, BRAM18) by output lanes, and
the least II from a bisection over the cycle counts that layers can have at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
    labels: dict[int, list[_Label]] = {}
    for i, options in enumerate(space.options):
        labels = _extend(space, i, [o for o in options if o.cycles <= ii], labels, budget)
    final = _pareto([label for front in labels.values() for label in front])
    return [_solution(label) for label in final]


@dataclass(frozen=True)
class _Label:
    lut: int
    bram18: int
    option: Option
    before: _Label | None


def _extend(
    space: Space,
    i: int,
    options: Sequence[Option],
    labels: dict[int, list[_Label]],
    budget: Budget,
) -> dict[int, list[_Label]]:
    """Labels after layer i, by its output lanes."""
    by_input: dict[int, list[Option]] = {}
    for option in options:
        by_input.setdefault(option.input_lanes, []).append(option)
    found: dict[int, list[_Label]] = {}
    for lanes, group in by_input.items():
        if i == 0:
            fits = lanes * space.element_bits <= budget.input_bits
            reaching: list[tuple[int, int, _Label | None]] = [(0, 0, None)] if fits else []
        else:
            reaching = _reaching(space, i, lanes, labels)
        for lut, bram18, before in reaching:
            for option in group:
                label = _Label(lut + option.lut, bram18 + option.bram18, option, before)
                if label.lut <= budget.lut and label.bram18 <= budget.bram18:
                    found.setdefault(option.output_lanes, []).append(label)
    return {lanes: _pareto(front) for lanes, front in found.items()}


def _reaching(
    space: Space, i: int, lanes: int, labels: dict[int, list[_Label]]
) -> list[tuple[int, int, _Label | None]]:
    """The Pareto set of ways to arrive at layer i with `lanes` input lanes, junction paid."""
    ways = [
        (label.lut + space.junction(i, before, lanes), label.bram18, label)
        for before, front in labels.items()
        for label in front
    ]
    ways.sort(key=lambda way: way[:2])
    kept: list[tuple[int, int, _Label | None]] = []
    for way in ways:
        if not kept or way[1] < kept[-1][1]:
            kept.append(way)
    return kept


def _pareto(labels: list[_Label]) -> list[_Label]:
    kept: list[_Label] = []
    for label in sorted(labels, key=lambda label: (label.lut, label.bram18)):
        if not kept or label.bram18 < kept[-1].bram18:
            kept.append(label)
    return kept


def _solution(label: _Label) -> Solution:
    choice: list[Option] = []
    step: _Label | None = label
    while step is not None:
        choice.append(step.option)
        step = step.before
    choice.reverse()
    ii = max(option.cycles for option in choice)
    return Solution(tuple(choice), ii, label.lut, label.bram18)


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
        if least(space, iis[middle], budget):
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
    for ii in space.iis():
        for solution in least(space, ii, budget):
            # of those found before, all with an II as low, none may be as good in both
            if not any(s.lut <= solution.lut and s.bram18 <= solution.bram18 for s in found):
                found.append(solution)
    return found
