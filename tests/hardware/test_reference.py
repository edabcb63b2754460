"""The integer reference against arithmetic spelled out, and exact at the float boundaries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.hardware import reference
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Add, Edge, LabelSelect, Mvau, Threshold
from tests.hardware.networks import dense, images


def spelled_out(graph: HardwareGraph, image: np.ndarray) -> dict[str, list[int]]:
    """One image, element by element, in Python integers."""
    values = {graph.source.id: [int(v) for v in image.reshape(-1)]}
    for layer in graph.layers:
        x, out = values[layer.input], []
        dtype = graph.edges[layer.output].dtype
        if isinstance(layer, LabelSelect):
            out = [max(range(len(x)), key=lambda i: (x[i], -i))]
        else:
            rows = x
            if isinstance(layer, Mvau):
                rows = [
                    sum(int(a == b) for a, b in zip(row, x, strict=True))
                    if layer.popcount
                    else sum(a * b for a, b in zip(row, x, strict=True))
                    for row in layer.weights.tolist()
                ]
            assert isinstance(layer, Threshold | Mvau)
            if layer.thresholds is not None:
                for value, row in zip(rows, layer.thresholds.tolist(), strict=True):
                    count = sum(value >= t for t in row)
                    out.append(2 * count - 1 if dtype.bipolar else layer.offset + count)
            else:
                out = rows
        values[layer.output] = out
    return values


@given(
    st.sampled_from(["BIPOLAR", "INT2", "INT4"]),
    st.sampled_from(["BIPOLAR", "INT2", "UINT2", "UINT4"]),
    st.lists(st.integers(1, 9), min_size=2, max_size=4),
    st.integers(0, 2**31),
)
def test_equals_arithmetic_spelled_out(
    weight: str, activation: str, widths: list[int], seed: int
) -> None:
    graph = dense(widths, weight, activation, seed)
    batch = images(graph, 3, seed)
    streams = reference.run(graph, batch)
    for i, image in enumerate(batch):
        for edge, expected in spelled_out(graph, image).items():
            assert streams[edge][i].reshape(-1).tolist() == expected, edge


@pytest.mark.parametrize("bound", [1 << 24, 1 << 53])
@pytest.mark.parametrize("step", [0, 1])
def test_exact_at_the_bound_of_each_float(bound: int, step: int) -> None:
    """The largest sum is `bound` + step, its neighbours differ by one: no float may merge them."""
    greatest = (bound + step) // 2
    weights = np.array([[greatest, greatest - 1], [greatest + step, greatest]])
    x = np.array([[1, 1], [-1, -1]])
    expected = [
        [sum(int(a) * int(b) for a, b in zip(r, c, strict=True)) for c in weights.T] for r in x
    ]
    assert reference.exact_matmul(x, weights, 1).tolist() == expected


def test_float32_alone_would_be_wrong_above_its_bound() -> None:
    weights = np.array([[1 << 24], [1]])
    x = np.array([[1, 1]])
    assert int((x.astype(np.float32) @ weights.astype(np.float32))[0, 0]) == 1 << 24
    assert reference.exact_matmul(x, weights, 1)[0, 0] == (1 << 24) + 1


def test_ties_go_to_the_lowest_label() -> None:
    graph = dense([4, 3])
    tied = np.array([[5, 7, 7]])
    label = graph.layers[-1]
    out = reference.REFERENCES[label.kind](label, graph.edges[label.input], graph.sink, tied)
    assert out.tolist() == [[1]]


def test_thresholds_always_and_never() -> None:
    thresholds = np.array([[0], [256]])
    got = reference.apply_thresholds(np.array([[0, 255]]), thresholds, 0, DataType("BIPOLAR"))
    assert got.tolist() == [[1, -1]]


@given(
    st.sampled_from([1, 2, reference.FEW_STEPS, reference.FEW_STEPS + 1, 255]),
    st.integers(1, 5),
    st.sampled_from([(3,), (1, 4), (2, 3, 2)]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_thresholds_are_counted_however_they_are_searched(
    steps: int, channels: int, vectors: tuple[int, ...], shared: bool, sorted_: bool, seed: int
) -> None:
    """Values on, below and above thresholds, some of them equal, beyond float32's integers too."""
    rng = np.random.default_rng(seed)
    falling = rng.integers(0, 2, channels) > 0
    thresholds = rng.integers(-20, 20, (1 if shared else channels, steps)) + (1 << 40)
    thresholds = np.sort(thresholds, axis=1) if sorted_ else thresholds
    thresholds = np.broadcast_to(thresholds, (channels, steps))
    x = rng.integers(-25, 25, (*vectors, channels)) + (1 << 40)
    rising = (x[..., None] >= thresholds).sum(axis=-1)
    fallen = (x[..., None] < thresholds).sum(axis=-1)
    before = x.copy()
    for rows, expected in ((None, rising), (falling, np.where(falling, fallen, rising))):
        got = reference.apply_thresholds(x, thresholds, -128, DataType("INT8"), rows)
        assert got.dtype == np.int64
        assert np.array_equal(got, expected - 128)
        assert np.array_equal(x, before)


def test_a_bipolar_level_that_falls_is_plus_one_below_its_threshold() -> None:
    falling = np.array([False, True])
    x, thresholds = np.array([[4, 4], [5, 5]]), np.array([[5], [5]])
    got = reference.apply_thresholds(x, thresholds, 0, DataType("BIPOLAR"), falling)
    assert got.tolist() == [[-1, 1], [1, -1]]


@given(
    st.sampled_from(["INT3", "UINT4", "INT8", "UINT8"]),
    st.sampled_from(["INT3", "UINT4", "UINT8"]),
    st.tuples(*[st.integers(-300, 300).filter(bool)] * 2),
    st.integers(0, 2**31),
)
def test_a_sum_with_factors_is_exact(
    first: str, second: str, factors: tuple[int, int], seed: int
) -> None:
    """In the narrowest type that holds every sum, the extremes of both inputs among them."""
    rng = np.random.default_rng(seed)
    a, b = (Edge(name, DataType(name), (2, 3)) for name in (first, second))
    layer = Add("sum", a.id, "out", (), b.id, factors)
    target = Edge("out", DataType.smallest(*layer.range(a, b)), (2, 3))
    assert not list(layer.check(a, target, b))
    x, y = (rng.integers(e.dtype.min, e.dtype.max + 1, (50, 2, 3)) for e in (a, b))
    ends = [(p, q) for p in (a.dtype.min, a.dtype.max) for q in (b.dtype.min, b.dtype.max)]
    for row, (p, q) in enumerate(ends):
        x[row], y[row] = p, q
    stored = [v.astype(e.dtype.storage) for v, e in ((x, a), (y, b))]
    got = reference.REFERENCES["add"](layer, a, target, *stored)
    assert np.array_equal(got, factors[0] * x + factors[1] * y)
    assert (got.min(), got.max()) == layer.range(a, b)
