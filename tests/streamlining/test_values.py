"""The borders of a quantiser's levels, taken back to the integers: against exact evaluation.

Factors and shifts are float32, as in a network: two of them are equal, or differ in float64.
"""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.streamlining.levels import _half_even
from pipeline.streamlining.values import Affine, Bounds, Relu

FACTORS = st.sampled_from([-3.0, -1.0, -0.5, -0.1, 0.0, 0.25, 0.3, 1.0, 2.0]).map(np.float32)
SHIFTS = st.sampled_from([-2.5, -1.0, -0.3, 0.0, 0.5, 0.7, 3.0]).map(np.float32)
OPS = st.lists(st.tuples(FACTORS, SHIFTS) | st.just("relu"), max_size=4)


def exact(ops: list[object], scale: float, low: int, high: int, x: int) -> int:
    """The level of an integer, in fractions: rounded half to even, then limited."""
    value = Fraction(x)
    for op in ops:
        if isinstance(op, tuple):
            value = value * Fraction(float(op[0])) + Fraction(float(op[1]))
        else:
            value = max(value, Fraction(0))
    return min(max(round(value / Fraction(scale)), low), high)


@given(
    OPS,
    st.sampled_from([1.0, 0.5, float(np.float32(0.3)), 4.0]),
    st.sampled_from([(0, 3), (-4, 3), (-1, 1)]),
)
def test_thresholds_give_the_exact_levels(
    ops: list[object], scale: float, ends: tuple[int, int]
) -> None:
    low, high = ends
    at, opened = _half_even(np.arange(low + 1, high + 1))
    bounds = Bounds.of(scale * at, opened)
    for op in reversed(ops):
        if isinstance(op, tuple):  # as the network does it: first the factor, then the shift
            bounds = bounds.before(Affine.of(shift=[op[1]])).before(Affine.of([op[0]]))
        else:
            bounds = bounds.before(Relu("node"))
    thresholds, falls = bounds.thresholds(-60, 60)
    assert np.all(np.diff(thresholds, axis=1) >= 0)
    for x in range(-60, 61):
        count = int((x >= thresholds[0]).sum())
        level = low + (high - low - count if falls[0] else count)
        assert level == exact(ops, scale, low, high, x), x


def test_a_border_that_an_integer_meets_is_told_from_one_beside_it() -> None:
    """0.1 as float64 is above a tenth: 5 * 0.1 is then above 0.5, and rounds up."""
    at, opened = _half_even(np.array([1]))
    assert opened.all(), "exactly 0.5 rounds to 0, which is even"
    tie = Bounds.of(at, opened).before(Affine.of([0.125]))
    assert tie.thresholds(-60, 60)[0].tolist() == [[5]], "4 / 8 is the middle"
    near = Bounds.of(at, opened).before(Affine.of([0.1 + 1e-9]))
    assert near.thresholds(-60, 60)[0].tolist() == [[5]]
