"""Exact search of the folding of a chain of layers, in which ways may part and meet again.

With the largest cycle count as the objective, a bound on it makes layers independent but for the
widths of the streams between neighbours. So for a bound on the II the least resources come from a
dynamic program (labels.py), and the least II from a bisection over the cycle counts that layers can
have at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.engines.space import Budget, Option, Solution, Space
from pipeline.folding.labels import Labels

FRONT_IIS = 8


def least(space: Space, ii: int, budget: Budget) -> list[Solution]:
    """The Pareto set of (LUT, BRAM18) over all foldings with an II of at most `ii`, in budget.

    Empty if there is none. Ascending in LUT.
    """
    labels = Labels(space, ii, budget)
    return [labels.solution(bram18) for bram18 in labels.pareto()]


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
        if Labels(space, iis[middle], budget).pareto():
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
    luts, blocks = (_alone(space, ii, resource) for resource in ("lut", "bram18"))
    inputs = [option.input_lanes for option in space.options[0] if option.cycles <= ii]
    return [
        Need("lut", luts, budget.lut),
        Need("bram18", blocks, budget.bram18),
        Need("input_bits", min(inputs) * space.element_bits, budget.input_bits),
    ]


def _alone(space: Space, ii: int, resource: str) -> int:
    """The least of one resource when the others are free: the search with nothing else counted."""

    def counted(option: Option) -> Option:
        return replace(option, lut=getattr(option, resource), bram18=0)

    def free(i: int, producer: int, consumer: int) -> int:
        return 0

    layers = tuple(tuple(map(counted, layer)) for layer in space.options)
    only = replace(space, options=layers)
    if resource != "lut":
        only = replace(only, junction=free, second=free)
    return least(only, ii, Budget(math.inf, math.inf, math.inf))[0].lut


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
    single = []
    for need in found:
        solutions = _lifted(space, ii, lifted[need.resource], budget)
        if solutions:
            rest = _need_given_rest(space, ii, lifted[need.resource], need, solutions)
            single.append(Need(need.resource, rest, need.have))
    return single or found


def _lifted(space: Space, ii: int, lifted: Budget, budget: Budget) -> list[Solution]:
    """The Pareto set, or what of it is within the first power of two of RAMB18 that gives any.

    That holds the solution of the fewest, and an array of all that there could be is long.
    """
    if not math.isinf(lifted.bram18) or math.isinf(budget.bram18):
        return least(space, ii, lifted)
    most = sum(max((option.bram18 for option in layer), default=0) for layer in space.options)
    bound = max(1.0, budget.bram18)
    while True:
        bound *= 2
        found = least(space, ii, replace(lifted, bram18=bound))
        if found or bound >= most:
            return found


def _need_given_rest(
    space: Space, ii: int, lifted: Budget, need: Need, solutions: list[Solution]
) -> float:
    if need.resource == "lut":
        return solutions[0].lut
    if need.resource == "bram18":
        return solutions[-1].bram18
    widths = sorted({option.input_lanes * space.element_bits for option in space.options[0]})
    return next(bits for bits in widths if least(space, ii, replace(lifted, input_bits=bits)))


def front(space: Space, budget: Budget) -> list[Solution]:
    """The Pareto front of (II, LUT, BRAM18) in the budget, ascending in II, then in LUT.

    Of a network with joins only that of FRONT_IIS bounds on the II, the least among them.
    """
    found: list[Solution] = []
    iis = space.iis()
    best_ii = fastest(space, budget) if space.joins else None
    if space.joins:
        if best_ii is None:
            return []
        rest = iis[iis.index(best_ii) :]
        iis = rest[:: max(1, -(-len(rest) // FRONT_IIS))]
    best = np.full(0, np.inf)  # least LUTs of those found, all of a lower II, by RAMB18 at most
    for ii in iis:
        labels = Labels(space, ii, budget)
        best = np.concatenate([best, np.full(max(0, labels.size - len(best)), np.inf)])
        best = np.minimum.accumulate(best)
        new = [b for b in labels.pareto() if labels.total[b] < best[b]]
        found += [labels.solution(bram18) for bram18 in new]
        best[new] = labels.total[new]
    return found
