"""What to prune so that a network reaches an II within a budget: the least summed loss of all.

Exact over all combinations of levels and folds: the loss is one more resource of the search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.engines.space import Budget
from pipeline.folding.search import cheapest
from pipeline.planning.merged import Merged

_COARSE, _FINE = 64, 384
"""Steps of loss that the search tells apart: first, to bound the loss; then at most."""


@dataclass(frozen=True)
class Chosen:
    """Blocks that stay at each pruned site; the sum of the losses; its least value, as proved.

    Where losses had to be rounded, because there are too many different sums, `least` is below
    `loss`.
    """

    kept: dict[str, int]
    loss: float
    least: float

    @property
    def exact(self) -> bool:
        return self.least == self.loss


def least_loss(
    merged: Merged, ii: int, budget: Budget, board: Budget, resolution: float
) -> Chosen | None:
    """The choice with the least sum of losses whose II is at most `ii`; None: no choice reaches it.

    resolution: points of accuracy that one image is worth; losses are multiples of it.
    """
    found = _solved(merged, math.inf, ii, budget, board, 0)
    if found is None:
        return None
    least = 0.0
    step = max(resolution, merged.loss(found) / _COARSE)
    while True:
        top = merged.loss(found)
        if top == 0:
            return Chosen(found, 0.0, 0.0)
        better = _solved(merged, step, ii, budget, board, math.ceil(top / step) + len(found))
        assert better is not None, "what was found before is among it"
        if merged.loss(better) <= top:
            found = better
        exact = step == resolution
        # each loss was rounded up by less than a step
        slack = 0.0 if exact else step * len(merged.levels)
        least = max(least, merged.loss(better) - slack)
        if exact:
            return Chosen(found, merged.loss(found), merged.loss(found))
        finer = max(resolution, merged.loss(found) / _FINE)
        if finer >= step:
            return Chosen(found, merged.loss(found), least)
        step = finer


def _solved(
    merged: Merged, step: float, ii: int, budget: Budget, board: Budget, most: float
) -> dict[str, int] | None:
    within = Budget(budget.lut, budget.bram18, budget.input_bits, most)
    solution = cheapest(merged.space(step), ii, within, board)
    return None if solution is None else merged.choice(solution.choice)
