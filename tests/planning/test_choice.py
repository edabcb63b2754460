"""The plan's choice against all choices, on small networks."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from pipeline.engines import engine
from pipeline.engines.space import Budget
from pipeline.engines.utilisation import Utilisation
from pipeline.folding import Ground
from pipeline.folding.search import fastest, least
from pipeline.hardware.graph import HardwareGraph
from pipeline.planning.candidates import Candidates, resolution
from pipeline.planning.sites import Level, Site
from pipeline.planning.sites import shaped as shape_of
from tests.hardware.networks import dense
from tests.hardware.residual import Residual

BOARD = Budget(53_200, 280, 64)
NOTHING = Utilisation(0, 0, 0, 0)


def ground(budget: Budget, signatures: bool = False) -> Ground:
    return Ground(engine("open"), signatures, None, BOARD, budget, NOTHING, 100.0, None)


def flat() -> tuple[HardwareGraph, dict[str, Site]]:
    """Columns of the first layer, which a `select` drops, and neurons between the others."""
    graph = dense([24, 12, 8, 5], "INT2", "INT2")
    return graph, {
        "fc0": Site("fc0", "fc0", False, tuple(i // 4 for i in range(24))),
        "fc1": Site("fc1", "fc0", True, tuple(i // 2 for i in range(12))),
        "fc2": Site("fc2", "fc1", True, tuple(i // 2 for i in range(8))),
    }


def bare() -> tuple[HardwareGraph, dict[str, Site]]:
    """The same behind no other layer, so that the `select` is the first one."""
    graph, sites = flat()
    layers = graph.layers[1:]
    edges = {name: edge for name, edge in graph.edges.items() if name != "image"}
    return replace(graph, layers=layers, edges=edges), sites


def maps() -> tuple[HardwareGraph, dict[str, Site]]:
    """Columns of windows, and channels within a residual block."""
    made = Residual((6, 6, 4), 0)
    made.conv("conv0", 4, 3, 1, "UINT2")
    made.block("block0", 4, 1, ("UINT2", "UINT2"), inner="UINT2")
    made.threshold("block0_quant", "UINT2")
    return made.finish(5), {
        "conv0": Site("conv0", "conv0", False, tuple(i // 4 for i in range(36))),
        "block0_conv0": Site("block0_conv0", "block0_conv0", True, tuple(range(4)), 2),
    }


def best(
    given: Ground, graph: HardwareGraph, sites: Mapping[str, Site], levels: dict[str, list[Level]],
    ii: int,
) -> float:  # fmt: skip
    """The least sum of losses of all choices with a folding in the budget, one by one."""
    found = math.inf
    for combination in itertools.product(*levels.values()):
        kept = {name: level.kept for name, level in zip(levels, combination, strict=True)}
        loss = sum(level.loss for level in combination)
        if loss < found and least(given.space(shape_of(graph, sites, kept)), ii, given.budget):
            found = loss
    return found


@st.composite
def levels_of(draw: st.DrawFn, sites: Mapping[str, Site]) -> dict[str, list[Level]]:
    found = {}
    for name, site in sites.items():
        fewer = range(site.multiple, site.blocks, site.multiple)
        kept = draw(st.lists(st.sampled_from(fewer), min_size=1, max_size=2, unique=True))
        losses = sorted(draw(st.integers(0, 40)) / 20 for _ in kept)
        levels = [Level(k, x) for k, x in zip(sorted(kept, reverse=True), losses, strict=True)]
        found[name] = [Level(site.blocks, 0.0), *levels]
    return found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_choice_loses_least_of_all_that_reach_the_ii(data: st.DataObject) -> None:
    graph, sites = data.draw(st.sampled_from([flat, bare, maps]))()
    levels = data.draw(levels_of(sites))
    signatures = data.draw(st.booleans())
    whole = ground(BOARD, signatures).space(graph)
    base = fastest(whole, BOARD)
    assert base is not None
    slow = data.draw(st.sampled_from([0.4, 0.7, 1.0, 2.0]))
    ii = max(1, int(base * slow))
    costs = [s.lut for s in least(whole, max(ii, base), BOARD)]
    lut = data.draw(st.sampled_from([0.6, 0.8, 0.9, 1.0])) * costs[0]
    given = ground(replace(BOARD, lut=lut), signatures)
    found = Candidates(given, graph, sites, levels)
    chosen = found.at(ii)
    expected = best(given, graph, sites, levels, ii)
    event(f"{chosen is None} {0 if chosen is None else chosen.chosen.loss > 0}")
    if chosen is None:
        assert expected == math.inf
        return
    assert chosen.chosen.exact
    assert math.isclose(chosen.chosen.loss, expected, abs_tol=1e-9)
    assert chosen.ii <= ii
    assert chosen.plan.certificate["bound"]["least_ii"] == chosen.ii
    assert chosen.plan.solution.lut <= lut


def test_only_layers_that_bind_are_pruned() -> None:
    """The third layer takes far less than the first two, so that pruning it saves too little."""
    graph = dense([64, 32, 4, 5], "INT2", "INT2")
    sites = {
        "fc0": Site("fc0", "fc0", False, tuple(i // 8 for i in range(64))),
        "fc1": Site("fc1", "fc0", True, tuple(i // 4 for i in range(32))),
        "fc2": Site("fc2", "fc1", True, tuple(range(4))),
    }
    levels = {
        name: [Level(site.blocks, 0.0), Level(site.blocks // 2, 1.0)]
        for name, site in sites.items()
    }
    space = ground(BOARD).space(graph)
    cheapest = min(s.lut for s in least(space, space.iis()[-1], BOARD))
    given = ground(replace(BOARD, lut=cheapest * 1.05))
    slowest = fastest(given.space(graph), given.budget)
    assert slowest is not None
    found = Candidates(given, graph, sites, levels).at(slowest - 1)
    assert found is not None
    assert found.ii < slowest
    assert set(found.chosen.kept) < {"fc0", "fc1"}, found.chosen


def test_each_candidate_is_faster_and_loses_no_less() -> None:
    graph, sites = flat()
    levels = {
        name: [Level(kept, 1 - kept / site.blocks) for kept in range(site.blocks, 0, -1)]
        for name, site in sites.items()
    }
    cheap = least(ground(BOARD).space(graph), 200, BOARD)[0].lut
    given = ground(replace(BOARD, lut=cheap * 0.9))
    front = list(Candidates(given, graph, sites, levels).front(None, lambda number: None))
    assert len(front) > 2
    for before, after in itertools.pairwise(front):
        assert after.ii < before.ii
        assert after.chosen.loss >= before.chosen.loss


def test_losses_too_many_to_tell_apart_give_a_bound() -> None:
    """With steps as fine as these the loss is not proved to be least, but close to it."""
    graph, sites = flat()
    losses = {"fc0": 31.41592, "fc1": 27.18281, "fc2": 14.14213}
    levels = {
        name: [Level(site.blocks, 0.0), *(Level(k, losses[name] / k) for k in (3, 2, 1))]
        for name, site in sites.items()
    }
    cheap = least(ground(BOARD).space(graph), 200, BOARD)[0].lut
    given = ground(replace(BOARD, lut=cheap * 0.6))
    found = Candidates(given, graph, sites, levels).at(100)
    assert found is not None
    expected = best(given, graph, sites, levels, 100)
    assert found.chosen.least <= expected <= found.chosen.loss + 1e-9
    assert found.chosen.loss - found.chosen.least < 1


def test_the_resolution_is_what_all_losses_are_multiples_of() -> None:
    images = 100 / 144
    assert math.isclose(resolution([3 * images, 0, 7 * images, 12 * images]), images, rel_tol=1e-3)
    assert math.isclose(resolution([0.5, 1.25]), 0.25)
    assert resolution([0.0]) > 0
