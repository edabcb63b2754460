"""The exact search against trying everything, on random chains."""

import itertools
import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines.space import Budget, Option, Space
from pipeline.folding.search import binding, cheapest, fastest, front, least
from pipeline.hardware.fold import Fold

BOARD = Budget(1000, 100, math.inf)


@st.composite
def spaces(draw: st.DrawFn, most_loss: int = 0) -> Space:
    options = st.builds(
        lambda cycles, a, b, lut, bram, loss: Option(Fold(b, a), cycles, a, b, lut, bram, loss),
        st.integers(1, 6),
        st.sampled_from([1, 2, 4]),
        st.sampled_from([1, 2, 4]),
        st.integers(0, 30),
        st.integers(0, 5),
        st.integers(0, most_loss),
    )
    layers = draw(st.lists(st.lists(options, min_size=1, max_size=5), min_size=1, max_size=4))
    weight = draw(st.integers(0, 7))
    return Space(
        tuple(f"l{i}" for i in range(len(layers))),
        tuple(map(tuple, layers)),
        lambda i, a, b: 0 if a == b else weight * (a + b + i),
        8,
    )


budgets = st.builds(
    Budget, st.integers(0, 120), st.integers(0, 15), st.sampled_from([8, 16, 32, math.inf])
)


def everything(space: Space, budget: Budget) -> list[tuple[int, int, int]]:
    """(II, LUT, BRAM18) of every folding in budget."""
    return [found[:3] for found in with_losses(space, budget)]


def with_losses(space: Space, budget: Budget) -> list[tuple[int, int, int, int]]:
    """(II, LUT, BRAM18, loss) of every folding in budget."""
    found = []
    for choice in itertools.product(*space.options):
        lut = sum(option.lut for option in choice) + sum(
            int(space.junction(i, a.output_lanes, b.input_lanes))
            for i, (a, b) in enumerate(itertools.pairwise(choice), start=1)
        )
        bram = sum(option.bram18 for option in choice)
        bits = choice[0].input_lanes * space.element_bits
        if lut <= budget.lut and bram <= budget.bram18 and bits <= budget.input_bits:
            ii, loss = max(option.cycles for option in choice), sum(x.loss for x in choice)
            found.append((ii, lut, bram, loss))
    return found


@settings(max_examples=300, deadline=None)
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
        assert [(s.lut, s.bram18) for s in least(space, ii, budget)] == pareto


@settings(max_examples=200, deadline=None)
@given(spaces(most_loss=3), budgets, st.sampled_from([0, 2, 5, math.inf]))
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
        assert all(sum(o.loss for o in s.choice) == least_loss for s in solutions)


@settings(max_examples=200, deadline=None)
@given(spaces(), budgets)
def test_a_solution_is_what_it_says(space: Space, budget: Budget) -> None:
    best = fastest(space, budget)
    if best is None:
        return
    solution = cheapest(space, best, budget, BOARD)
    assert solution is not None
    assert (solution.ii, solution.lut, solution.bram18) in everything(space, budget)
    assert solution.ii == best


@settings(max_examples=200, deadline=None)
@given(spaces(), budgets)
def test_what_binds_is_named_exactly_when_something_does(space: Space, budget: Budget) -> None:
    for ii in space.iis():
        found = binding(space, ii, budget)
        assert bool(found) == (not least(space, ii, budget))
        assert len(found) == 3 or all(need.need > need.have for need in found)


@settings(max_examples=200, deadline=None)
@given(spaces(), budgets)
def test_the_front_is_that_of_all_foldings(space: Space, budget: Budget) -> None:
    points = set(everything(space, budget))
    pareto = sorted(
        point
        for point in points
        if not any(
            other != point and all(a <= b for a, b in zip(other, point, strict=True))
            for other in points
        )
    )
    assert [(s.ii, s.lut, s.bram18) for s in front(space, budget)] == pareto
