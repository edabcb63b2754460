"""The exact search across forks and joins against trying everything, on random small graphs."""

import itertools
import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines.space import Budget, Option, Space
from pipeline.folding.search import binding, cheapest, fastest, front, least
from pipeline.hardware.fold import Fold

BOARD = Budget(1000, 100, math.inf)
SHAPES: list[tuple[tuple[int, ...], ...]] = [
    ((), (0, 0)),
    ((), (0,), (0, 1)),
    ((), (0,), (1, 0), (2,)),
    ((), (0,), (1,), (1,), (2, 3)),
    ((), (0,), (0,), (2, 1), (3,), (4, 3)),
]
"""Of each layer, those that feed it: a fork feeds two, a join is fed by two."""


@st.composite
def spaces(draw: st.DrawFn, most_loss: int = 0) -> Space:
    """With losses there are also lanes that cannot be neighbours."""
    options = st.builds(
        lambda cycles, a, b, lut, bram, loss: Option(Fold(b, a), cycles, a, b, lut, bram, loss),
        st.integers(1, 6),
        st.sampled_from([1, 2, 4]),
        st.sampled_from([1, 2, 4]),
        st.integers(0, 30),
        st.integers(0, 5),
        st.integers(0, most_loss),
    )
    before = draw(st.sampled_from(SHAPES))
    layers = [draw(st.lists(options, min_size=1, max_size=4)) for _ in before]
    weight, other = draw(st.integers(0, 7)), draw(st.integers(0, 7))
    apart = math.inf if most_loss else 0

    return Space(
        tuple(f"l{i}" for i in range(len(layers))),
        tuple(map(tuple, layers)),
        lambda i, a, b: 0 if a == b else weight * (a + b + i) + (apart if a > 2 * b else 0),
        8,
        before,
        lambda i, a, b: 0 if a == b else other * (a + b),
    )


budgets = st.builds(
    Budget, st.integers(0, 200), st.integers(0, 20), st.sampled_from([8, 16, 32, math.inf])
)


def everything(space: Space, budget: Budget) -> set[tuple[int, int, int]]:
    """(II, LUT, BRAM18) of every folding in budget."""
    return {found[:3] for found in with_losses(space, budget)}


def with_losses(space: Space, budget: Budget) -> set[tuple[int, int, int, int]]:
    """(II, LUT, BRAM18, loss) of every folding in budget."""
    found = set()
    assert space.second is not None
    for choice in itertools.product(*space.options):
        lut: float = sum(option.lut for option in choice)
        for i, inputs in enumerate(space.before):
            for junction, k in zip((space.junction, space.second), inputs, strict=False):
                lut += junction(i, choice[k].output_lanes, choice[i].input_lanes)
        bram = sum(option.bram18 for option in choice)
        bits = choice[0].input_lanes * space.element_bits
        if lut <= budget.lut and bram <= budget.bram18 and bits <= budget.input_bits:
            ii, loss = max(option.cycles for option in choice), sum(x.loss for x in choice)
            found.add((ii, int(lut), bram, loss))
    return found


@settings(max_examples=200, deadline=None)
@given(spaces(), budgets)
def test_the_least_ii_and_every_pareto_point_are_those_of_all_foldings(
    space: Space, budget: Budget
) -> None:
    foldings = everything(space, budget)
    assert fastest(space, budget) == min((ii for ii, _, _ in foldings), default=None)
    for ii in space.iis():
        points = {(lut, bram) for cycles, lut, bram in foldings if cycles <= ii}
        pareto = sorted(
            (lut, bram)
            for lut, bram in points
            if not any((a <= lut and b < bram) or (a < lut and b <= bram) for a, b in points)
        )
        solutions = least(space, ii, budget)
        assert [(s.lut, s.bram18) for s in solutions] == pareto
        assert all((s.ii, s.lut, s.bram18) in foldings for s in solutions)


@settings(max_examples=150, deadline=None)
@given(spaces(most_loss=3), budgets, st.sampled_from([1, 4, math.inf]))
def test_of_all_that_fits_the_least_loss_comes_first(
    space: Space, budget: Budget, most: float
) -> None:
    budget = replace(budget, loss=most)
    foldings = with_losses(space, budget)
    for ii in space.iis():
        fits = [found for found in foldings if found[0] <= ii and found[3] <= most]
        least_loss = min((loss for *_, loss in fits), default=0)
        points = {(lut, bram) for _, lut, bram, loss in fits if loss == least_loss}
        pareto = sorted(
            (lut, bram)
            for lut, bram in points
            if not any((a <= lut and b < bram) or (a < lut and b <= bram) for a, b in points)
        )
        solutions = least(space, ii, budget)
        assert [(s.lut, s.bram18) for s in solutions] == pareto
        for s in solutions:
            assert (s.ii, s.lut, s.bram18, sum(o.loss for o in s.choice)) in fits


@settings(max_examples=200, deadline=None)
@given(spaces(), budgets)
def test_the_cheapest_is_that_of_all_foldings(space: Space, budget: Budget) -> None:
    foldings = everything(space, budget)
    best = fastest(space, budget)
    if best is None:
        return
    solution = cheapest(space, best, budget, BOARD)
    assert solution is not None
    assert (solution.ii, solution.lut, solution.bram18) in foldings
    costs = [lut / BOARD.lut + bram / BOARD.bram18 for ii, lut, bram in foldings if ii <= best]
    assert math.isclose(solution.lut / BOARD.lut + solution.bram18 / BOARD.bram18, min(costs))


@settings(max_examples=200, deadline=None)
@given(spaces(), budgets)
def test_what_binds_is_needed_and_short(space: Space, budget: Budget) -> None:
    for ii in space.iis():
        found = binding(space, ii, budget)
        assert bool(found) == (not least(space, ii, budget))
        assert len(found) == 3 or all(need.need > need.have for need in found)
        for need in found:  # no folding within the two other budgets, or any, needs less
            free = {"lut": math.inf, "bram18": math.inf, "input_bits": math.inf}
            if len(found) < 3:
                free = {**vars(budget), need.resource: math.inf}
            place = {"lut": 1, "bram18": 2}.get(need.resource)
            values = [x[place] for x in everything(space, Budget(**free)) if place and x[0] <= ii]
            assert not values or need.need <= min(values) or len(found) > 1


@settings(max_examples=100, deadline=None)
@given(spaces(), budgets)
def test_the_front_holds_only_what_nothing_beats(space: Space, budget: Budget) -> None:
    points = everything(space, budget)
    found = [(s.ii, s.lut, s.bram18) for s in front(space, budget)]
    assert bool(found) == bool(points)
    for point in found:
        assert point in points
        assert not any(
            other != point and all(a <= b for a, b in zip(other, point, strict=True))
            for other in points
        )
