"""Modules against the integer reference: random types, folds and stalls; extremes; full rate."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.fold import Fold, Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, LabelSelect, Layer, Threshold
from pipeline.rtl.folds import cycles
from tests.rtl import designs


@pytest.mark.parametrize("seed", range(8))
def test_random_chain_equals_the_reference(seed: int, tmp_path: Path, cache: Path) -> None:
    graph = designs.random_chain(seed)
    rng = np.random.default_rng(100 + seed)
    depths = {edge: int(rng.integers(0, 6)) for edge in graph.edges}
    model = designs.build(graph, designs.random_folding(graph, seed), tmp_path, cache, depths)
    images = designs.random_images(graph, 12, seed)
    for stalls in designs.STALLS:
        designs.require_exact(model, graph, images, stalls)


def xnor_graph(width: int, limits: list[int]) -> HardwareGraph:
    """Rows of +1 only, so that an input of +1 agrees everywhere: the popcount reaches `width`."""
    source = Edge("x", BIPOLAR, (width,))
    weights = np.ones((len(limits), width), np.int64)
    thresholds = np.array(limits)[:, None]
    layer, edge = designs.mvau(source, "y", weights, "BIPOLAR", "BIPOLAR", thresholds)
    return designs.graph_of([source, edge], [layer])


@pytest.mark.parametrize("simd", [784, 98, 16])
def test_popcount_reaches_every_column(simd: int, tmp_path: Path, cache: Path) -> None:
    graph = xnor_graph(784, [0, 512, 560, 561, 600, 783, 784, 785])
    model = designs.build(graph, {"y_unit": Fold(2, simd)}, tmp_path, cache)
    images = np.ones((6, 784), np.int64)
    for image, agreeing in enumerate([784, 783, 600, 560, 1, 0]):
        images[image, agreeing:] = -1
    result = designs.require_exact(model, graph, images)
    assert result.output[0].tolist() == [1, 1, 1, 1, 1, 1, 1, -1]
    assert result.output[3].tolist() == [1, 1, 1, -1, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("weight", "act"), [("INT2", "UINT2"), ("BIPOLAR", "INT4"), ("INT8", "INT8")]
)
def test_accumulators_at_both_ends(weight: str, act: str, tmp_path: Path, cache: Path) -> None:
    dtype, source = DataType(weight), Edge("x", DataType(act), (20,))
    weights = np.array([[dtype.min] * 20, [dtype.max] * 20])
    layer, edge = designs.mvau(source, "y", weights, weight, None)
    graph = designs.graph_of([source, edge], [layer])
    model = designs.build(graph, {"y_unit": Fold(1, 10)}, tmp_path, cache)
    images = np.array([[source.dtype.min] * 20, [source.dtype.max] * 20, [1] * 20])
    designs.require_exact(model, graph, images)


def test_thresholds_that_are_always_or_never_reached(tmp_path: Path, cache: Path) -> None:
    source, target = Edge("x", DataType("INT3"), (4,)), Edge("y", DataType("INT2"), (4,))
    limits = np.array([[-9, -4, -4], [4, 4, 99], [-5, 0, 4], [-4, 3, 3]])
    graph = designs.graph_of([source, target], [Threshold("t", "x", "y", (), limits, -2)])
    model = designs.build(graph, {"t": Fold(2, 2)}, tmp_path, cache)
    images = np.arange(-4, 4)[:, None].repeat(4, axis=1)
    for stalls in designs.STALLS:
        result = designs.require_exact(model, graph, images, stalls)
        assert set(result.output[:, 0]) == {1}
        assert set(result.output[:, 1]) == {-2}


@pytest.mark.parametrize("pe", [1, 2, 5, 10])
@pytest.mark.parametrize("name", ["INT3", "UINT2"])
def test_label_select_takes_the_lowest_of_equals(
    name: str, pe: int, tmp_path: Path, cache: Path
) -> None:
    source, target = Edge("x", DataType(name), (10,)), Edge("y", DataType("UINT4"), (1,))
    graph = designs.graph_of([source, target], [LabelSelect("label", "x", "y")])
    model = designs.build(graph, {"label": Fold(pe, pe)}, tmp_path, cache)
    images = designs.random_images(graph, 60, pe)  # eight or four values among ten: ties abound
    for stalls in designs.STALLS[:2]:
        designs.require_exact(model, graph, images, stalls)
    assert model.run(images).interval() == 10 // pe


@pytest.mark.parametrize(
    ("width", "rows", "pe", "simd"), [(24, 6, 6, 24), (24, 6, 1, 24), (24, 6, 2, 12), (24, 6, 1, 4)]
)
def test_mvau_keeps_its_rate(
    width: int, rows: int, pe: int, simd: int, tmp_path: Path, cache: Path
) -> None:
    """One tile a cycle, however few tiles a row has, with nothing between input and output."""
    # each row another threshold: a start value that comes a row too soon or late shows
    graph = xnor_graph(width, [width // 2 - 3 + row for row in range(rows)])
    folding: Folding = {"y_unit": Fold(pe, simd)}
    model = designs.build(graph, folding, tmp_path, cache)
    images = designs.random_images(graph, 60, 1)
    expected = cycles(graph.layers[0], folding["y_unit"], graph.source)
    assert designs.require_exact(model, graph, images).interval(20) == expected
    designs.require_exact(model, graph, images, designs.STALLS[1])


@pytest.mark.parametrize("lanes", [(8, 28), (28, 8), (6, 4), (1, 56), (12, 3), (7, 7)])
def test_width_converter_takes_the_longer_side(
    lanes: tuple[int, int], tmp_path: Path, cache: Path
) -> None:
    channels = 168
    edges = [Edge(name, DataType("UINT2"), (channels,)) for name in "xyz"]
    limits = np.tile([1, 2, 3], (channels, 1))  # hands its input on
    layers: list[Layer] = [
        Threshold("a", "x", "y", (), limits),
        Threshold("b", "y", "z", (), limits),
    ]
    graph = designs.graph_of(edges, layers)
    folding = {name: Fold(count, count) for name, count in zip("ab", lanes, strict=True)}
    model = designs.build(graph, folding, tmp_path, cache)
    images = designs.random_images(graph, 24, 3)
    result = designs.require_exact(model, graph, images)
    np.testing.assert_array_equal(result.output, images)
    assert result.interval() == channels // min(lanes)
    for stalls in designs.STALLS[1:]:
        designs.require_exact(model, graph, images, stalls)
