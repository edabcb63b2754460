"""Exact search for the best folding of a chain of layers with branches.

The II is the largest cycle count of a layer. Under a bound on it layers are independent, except for
the widths of the streams between neighbours. So the least resources under a bound come from a
dynamic program (labels.py), and the least II from a bisection over the cycle counts that layers can
have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.engines.space import Budget, Option, Solution, Space
from pipeline.folding.labels import Labels

FRONT_IIS = 8


def least(space: Space, ii: int, budget: Budget) -> list[Solution]:
    """The Pareto set of (LUT, RAMB18) over all foldings within the budget whose II is at most `ii`.

    In ascending order of LUTs. Empty if there is none.
    """
    labels = Labels(space, ii, budget)
    return [labels.solution(bram18) for bram18 in labels.pareto()]


def cheapest(space: Space, ii: int, budget: Budget, board: Budget) -> Solution | None:
    """The solution with an II of at most `ii` that costs least, or None.

    The cost is the sum of its shares of the board's LUTs and block RAMs.
    """
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
    """The least of one resource that a folding needs for an II, and how much of it there is."""

    resource: str
    need: float
    have: float


def needs(space: Space, ii: int, budget: Budget) -> list[Need]:
    """For each resource, the least that an II of at most `ii` needs, and the budget."""
    luts, blocks = (_alone(space, ii, resource) for resource in ("lut", "bram18"))
    inputs = [option.input_lanes for option in space.options[0] if option.cycles <= ii]
    return [
        Need("lut", luts, budget.lut),
        Need("bram18", blocks, budget.bram18),
        Need("input_bits", min(inputs) * space.element_bits, budget.input_bits),
    ]


def _alone(space: Space, ii: int, resource: str) -> int:
    """The least of one resource if the others are unlimited."""

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
    """The resources that keep an II of at most `ii` from fitting. Empty if it fits.

    These are the resources that are short by themselves. If there are none, they are those that are
    short given the other two. If there are none of these either, they are all three.
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
    """The Pareto set under the budget `lifted`, in which one resource is unlimited.

    For unlimited RAMB18s it grows the limit by powers of two until there is a solution. That set
    has the solution with the fewest RAMB18s; an array for all possible counts would be long.
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
    """The Pareto front of (II, LUT, RAMB18) in the budget, in ascending order of II, then of LUTs.

    For a network with joins it has only FRONT_IIS different bounds on the II, with the least one.
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
