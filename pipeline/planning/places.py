"""Where a network can be pruned, by the rules of the stage `prune`. It brings torch."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import SpecError
from pipeline.planning.sites import Site
from pipeline.pruning.blocks import Target
from specs.pruning import CHANNELS, WEIGHTS, Granularity, PruningSpec


def base(given: PruningSpec | None, granularity: Granularity) -> PruningSpec:
    """What a plan starts from: the network's pruning, or that of the plan. It names no layers.

    Raises SpecError for single weights, which save nothing in folded layers.
    """
    if given is None:
        return PruningSpec(granularity=granularity)
    if given.granularity == WEIGHTS:
        raise SpecError(
            f'pruning.granularity = "{WEIGHTS}": nothing to plan, since single weights save '
            "nothing in folded layers; use prune=columns or prune=channels"
        )
    return given.model_copy(update={"layers": {}})


def sites_of(pruning: PruningSpec, chosen: Mapping[str, Target]) -> dict[str, Site]:
    """The sites of a hardware graph for the targets of a pruning, by id."""
    return {name: _site(pruning, target) for name, target in chosen.items()}


def _site(pruning: PruningSpec, target: Target) -> Site:
    part, index = target.part, target.index.tolist()
    least = target.kept(1.0)
    if part.source is not None and (pruning.granularity == CHANNELS or part.pixels == 1):
        channels = tuple(index[: part.channels])
        return Site(target.id, part.source, True, channels, target.multiple, least)
    return Site(target.id, part.id, False, tuple(index), target.multiple, least)
