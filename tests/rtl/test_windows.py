"""Sliding windows, max-pools and padding: equal to the reference, in exactly the cycles told."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.hardware import reference
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold
from pipeline.hardware.layers import Edge
from pipeline.rtl.folds import cycles, whole_window
from pipeline.rtl.lint import lint
from pipeline.simulation.model import build_model
from pipeline.verification.mutants import kinds, mutants
from tests.rtl import designs, maps


@pytest.mark.parametrize(
    ("kind", "seed"),
    [("swg", 0), ("swg", 1), ("swg", 2), ("swg", 3), ("max_pool", 4), ("max_pool", 5), ("pad", 6)]
    + [("pruned", seed) for seed in (10, 11, 12, 14, 15)]
    + [("select", seed) for seed in (20, 21)],
)
def test_a_layer_alone(kind: str, seed: int, tmp_path: Path, cache: Path) -> None:
    graph = maps.single(kind, seed)
    (layer,) = graph.layers
    folding = designs.random_folding(graph, seed)
    model = designs.build(graph, folding, tmp_path, cache)
    lint(model.design, tmp_path / "logs")
    images = designs.random_images(graph, 12, seed)
    for stalls in designs.STALLS:
        result = designs.require_exact(model, graph, images, stalls)
        if stalls is None:
            assert result.interval() == cycles(layer, folding[layer.id], graph.source)
    streams = {graph.source.id: images, **reference.run(graph, images)}
    for mutant in mutants(graph, folding, streams):
        designs.require_caught(model, graph, folding, mutant, images, tmp_path / "mutant")


@pytest.mark.parametrize("seed", range(3))
def test_a_network_of_convolutions(seed: int, tmp_path: Path, cache: Path) -> None:
    graph = maps.network(seed)
    rng = np.random.default_rng(100 + seed)
    depths = {edge: int(rng.integers(0, 6)) for edge in graph.edges}
    model = designs.build(graph, designs.random_folding(graph, seed), tmp_path, cache, depths)
    images = designs.random_images(graph, 6, seed)
    for stalls in designs.STALLS[:3]:
        designs.require_exact(model, graph, images, stalls)


@pytest.mark.parametrize("ram_style", ["lut", "block"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_window_takes_the_predicted_cycles(
    ram_style: str, stride: int, tmp_path: Path, cache: Path
) -> None:
    """Where the ring is short of the next image's first window, and where it is not."""
    source = Edge("x", DataType("UINT2"), (7, 9, 2))
    layer, target = maps.swg(source, (3, 3), (stride, stride))
    graph = designs.graph_of([source, target], [layer])
    folding = {layer.id: Fold(1, 1, ram_style)}  # type: ignore[arg-type]
    model = designs.build(graph, folding, tmp_path, cache)
    result = model.run(designs.random_images(graph, 12, 1))
    assert result.interval() == cycles(layer, folding[layer.id], source)


WHOLE = [
    # height, width, channels; kernel; stride; datatype
    ((5, 3, 2), (3, 3), (1, 1), "UINT2"),  # a row as short as it may be
    ((6, 8, 3), (3, 3), (1, 1), "INT8"),
    ((8, 7, 2), (3, 2), (2, 3), "BIPOLAR"),
    ((7, 6, 1), (2, 2), (3, 3), "INT4"),  # pixels between windows
    ((4, 5, 4), (4, 1), (1, 2), "UINT2"),
    ((3, 9, 2), (1, 4), (1, 1), "INT4"),  # nothing above
    ((2, 2, 1), (1, 2), (1, 1), "UINT2"),
    ((5, 5, 2), (5, 5), (1, 1), "BIPOLAR"),  # one window
]


@pytest.mark.parametrize("ram_style", ["lut", "block"])
@pytest.mark.parametrize(("size", "kernel", "stride", "dtype"), WHOLE)
def test_whole_windows(
    size: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dtype: str,
    ram_style: str,
    tmp_path: Path,
    cache: Path,
) -> None:
    source = Edge("x", DataType(dtype), size)
    layer, target = maps.swg(source, kernel, stride)
    graph = designs.graph_of([source, target], [layer])
    whole = whole_window(layer, source)
    assert whole is not None
    folding = {layer.id: Fold(*whole, ram_style)}  # type: ignore[arg-type]
    model = designs.build(graph, folding, tmp_path, cache)
    lint(model.design, tmp_path / "logs")
    images = designs.random_images(graph, 12, 3)
    for stalls in designs.STALLS:
        result = designs.require_exact(model, graph, images, stalls)
        if stalls is None:
            assert result.interval() == size[0] * size[1]
            assert cycles(layer, folding[layer.id], source) == size[0] * size[1]


PRUNED_WHOLE = [
    # height, width, channels; kernel; stride; datatype; kept
    ((6, 5, 3), (3, 3), (1, 2), "INT4", (0, 4, 5, 7, 13, 26)),
    ((5, 4, 2), (3, 2), (1, 1), "BIPOLAR", (8, 11)),  # only of the last row: nothing is stored
    ((4, 5, 2), (2, 2), (1, 1), "UINT2", (0, 2)),  # one channel is never read
    ((3, 3, 4), (1, 1), (2, 1), "INT8", (1, 2, 3)),
    ((5, 5, 2), (2, 2), (1, 1), "UINT2", (3, 6)),  # as many elements as a pixel, of two pixels
]


@pytest.mark.parametrize(("size", "kernel", "stride", "dtype", "kept"), PRUNED_WHOLE)
def test_whole_windows_of_what_is_kept(
    size: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dtype: str,
    kept: tuple[int, ...],
    tmp_path: Path,
    cache: Path,
) -> None:
    source = Edge("x", DataType(dtype), size)
    layer, target = maps.swg(source, kernel, stride, kept)
    graph = designs.graph_of([source, target], [layer])
    folding = {layer.id: Fold(len(kept), size[2])}
    assert whole_window(layer, source) == (len(kept), size[2])
    model = designs.build(graph, folding, tmp_path, cache)
    lint(model.design, tmp_path / "logs")
    images = designs.random_images(graph, 12, 3)
    for stalls in designs.STALLS:
        result = designs.require_exact(model, graph, images, stalls)
        if stalls is None:
            assert result.interval() == size[0] * size[1]
            assert cycles(layer, folding[layer.id], source) == size[0] * size[1]
    assert not kinds(layer, folding[layer.id]), "no memory has what is kept"


@pytest.mark.parametrize("ram_style", ["lut", "block"])
def test_half_of_a_window_takes_half_of_the_cycles(
    ram_style: str, tmp_path: Path, cache: Path
) -> None:
    """What is kept starts late and ends early, so that the ring is as small as may be."""
    source = Edge("x", DataType("UINT2"), (12, 12, 4))
    kept = tuple(range(8, 26))
    layer, target = maps.swg(source, (3, 3), (1, 1), kept)
    graph = designs.graph_of([source, target], [layer])
    folding = {layer.id: Fold(2, 2, ram_style)}  # type: ignore[arg-type]
    whole, _ = maps.swg(source, (3, 3), (1, 1))
    assert cycles(layer, folding[layer.id], source) < 0.6 * cycles(whole, Fold(2, 2), source)
    model = designs.build(graph, folding, tmp_path, cache)
    images = designs.random_images(graph, 12, 1)
    result = designs.require_exact(model, graph, images)
    assert result.interval() == cycles(layer, folding[layer.id], source)


def test_a_model_for_timing_has_the_same_cycles(tmp_path: Path, cache: Path) -> None:
    graph = maps.network(1)
    folding = designs.random_folding(graph, 1)
    whole = designs.build(graph, folding, tmp_path, cache, dict.fromkeys(graph.edges, 2))
    timing = build_model(
        whole.design.folder, tmp_path / "timing", cache, optimise="-O0", timing_only=True
    )
    images = designs.random_images(graph, 8, 1)
    for stalls in designs.STALLS:
        a, b = whole.run(images, stalls=stalls), timing.run(images, stalls=stalls)
        np.testing.assert_array_equal(a.completed, b.completed)
        assert a.peaks == b.peaks


def test_a_wrong_window_is_seen(tmp_path: Path, cache: Path) -> None:
    """The checks above can fail."""
    source = Edge("x", DataType("INT4"), (6, 6, 2))
    layer, target = maps.swg(source, (2, 3), (2, 1))
    graph = designs.graph_of([source, target], [layer])
    model = designs.build(graph, {layer.id: Fold(2, 2)}, tmp_path, cache)
    images = designs.random_images(graph, 4, 1)
    shifted = np.roll(images, 1, axis=2)
    assert not np.array_equal(model.run(images).output, reference.run(graph, shifted)[target.id])
