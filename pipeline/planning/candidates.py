"""The candidates of a plan: for ever more speed the pruning that loses least, each folded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import DoesNotFit
from pipeline.folding import Ground, Plan, folded, frames
from pipeline.hardware.graph import HardwareGraph
from pipeline.planning.choice import Chosen, least_loss
from pipeline.planning.merged import Merged, merged
from pipeline.planning.sites import Level, Levels, Site, shaped

_FASTER = 0.88
"""The next candidate takes at most this part of the cycles of the one before."""
MOST = 12
"""The most candidates."""
_USELESS = 15.0
"""Points of accuracy: a candidate that loses more is the last one."""


@dataclass(frozen=True)
class Candidate:
    """A pruning of the network and its best folding on the board."""

    chosen: Chosen
    plan: Plan

    @property
    def ii(self) -> int:
        return self.plan.solution.ii

    @property
    def fps(self) -> int:
        return frames(self.plan.mhz, self.ii)

    @property
    def lut(self) -> int:
        return round(self.plan.solution.lut + self.plan.shell.lut)

    @property
    def bram36(self) -> float:
        return self.plan.solution.bram18 / 2 + self.plan.shell.bram36


class Candidates:
    """Finds prunings of one network on one board."""

    def __init__(
        self,
        given: Ground,
        graph: HardwareGraph,
        sites: Mapping[str, Site],
        levels: Levels,
    ) -> None:
        self.given, self.graph, self.sites, self.levels = given, graph, sites, levels
        self.resolution = resolution([level.loss for of in levels.values() for level in of])
        self.merged: Merged = merged(graph, sites, levels, given.space, _options_of(given))

    def at(self, ii: int, fps: float | None = None) -> Candidate | None:
        """The candidate that loses least at an II of at most `ii`; None if nothing reaches it.

        It is folded as fast as its own budget allows; with `fps` as cheaply as reaches that.
        """
        given = self.given
        chosen = least_loss(self.merged, ii, given.budget, given.board, self.resolution)
        if chosen is None:
            return None
        return self.of(chosen, fps)

    def of(self, chosen: Chosen, fps: float | None = None) -> Candidate:
        shape = shaped(self.graph, self.sites, chosen.kept)
        shape.check()
        return Candidate(chosen, folded(replace(self.given, fps=fps), shape))

    def front(self, slowest: int | None, show: Callable[[int], None]) -> Iterator[Candidate]:
        """Candidates from the least loss on, each faster than the one before.

        slowest: an II that the first one must beat; None: the first only has to fit.
        """
        ii = self.merged.space(math.inf).iis()[-1] if slowest is None else slowest - 1
        for number in range(MOST):
            show(number)
            found = self.at(ii)
            if found is None:
                return
            yield found
            if found.chosen.loss > _USELESS:
                return
            ii = min(found.ii - 1, math.floor(found.ii * _FASTER))


def whole(given: Ground, graph: HardwareGraph) -> Plan | None:
    """The fastest folding of the network as it is; None if it does not fit."""
    try:
        return folded(replace(given, fps=None), graph)
    except DoesNotFit:
        return None


def resolution(losses: Sequence[float]) -> float:
    """The points of accuracy of which all losses are multiples, up to the rounding of a table."""
    unit = 0.0
    for loss in losses:
        a, b = max(unit, loss), min(unit, loss)
        while b > _ROUNDED:
            a, b = b, a % b
            if a - b < _ROUNDED:
                b = 0.0
        unit = a
    return max(unit, _ROUNDED)


_ROUNDED = 0.002


def described(candidate: Candidate, sites: Mapping[str, Site], levels: Levels) -> dict[str, Any]:
    """A candidate as JSON, with the certificate of its folding."""
    chosen = candidate.chosen
    return {
        "ii": candidate.ii,
        "fps": candidate.fps,
        "lut": candidate.lut,
        "bram36": candidate.bram36,
        "loss": round(chosen.loss, 4),
        "least_loss": round(chosen.least, 4),
        "layers": {
            name: {
                "sparsity": sparsity(sites[name], kept),
                "blocks": [kept, sites[name].blocks],
                "loss_alone": round(_loss(levels[name], kept), 4),
            }
            for name, kept in chosen.kept.items()
        },
        "certificate": candidate.plan.certificate,
    }


def sparsity(site: Site, kept: int) -> float:
    return round(1 - kept / site.blocks, 6)


def _loss(levels: Sequence[Level], kept: int) -> float:
    return next(level.loss for level in levels if level.kept == kept)


def _options_of(given: Ground) -> Callable[[HardwareGraph, int], Sequence[Any]]:
    """The options of one layer, without those of all others, which would take long.

    A signature of the network's input counts to its first layer. So with signatures a layer is
    looked at behind the one before it.
    """

    def options(graph: HardwareGraph, number: int) -> Sequence[Any]:
        first = max(0, number - 1) if given.signatures else number
        part = replace(graph, layers=graph.layers[first : number + 1])
        return given.space(part).options[-1]

    return options
