"""Window layers against torch's convolution and max-pool; what is inconsistent is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from pipeline.errors import PipelineError
from pipeline.hardware import graph as hardware
from pipeline.hardware import reference
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import Edge, SumPool
from tests.rtl import designs, maps

SIZES = st.integers(4, 9)
PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))


def planes(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float64).transpose(0, 3, 1, 2).copy())


@given(SIZES, SIZES, st.integers(1, 3), PAIRS, PAIRS, PAIRS, st.integers(0, 2**31))
def test_pad_window_and_matrix_are_a_convolution(
    height: int,
    width: int,
    channels: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    frame: tuple[int, int],
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    source = Edge("x", DataType("INT4"), (height, width, channels))
    padded, after_pad = maps.pad(source, (frame[0], frame[0]), (frame[1], frame[1]))
    window, windows = maps.swg(after_pad, kernel, stride)
    filters = rng.integers(-3, 4, (5, channels, *kernel))
    # weight columns: window rows, window columns, channels innermost
    weights = filters.transpose(0, 2, 3, 1).reshape(5, -1)
    flat = Edge(windows.id, windows.dtype, (windows.channels,))
    matrix, sums = designs.mvau(flat, "sums", weights, "INT4", None)
    sums = Edge("sums", sums.dtype, (*windows.shape[:2], 5))
    graph = designs.graph_of([source, after_pad, windows, sums], [padded, window, matrix])
    images = designs.random_images(graph, 2, seed % 1000)
    found = reference.run(graph, images)["sums"]
    expected = functional.conv2d(
        planes(images), torch.from_numpy(filters).double(), stride=stride, padding=frame
    )
    np.testing.assert_array_equal(found, expected.permute(0, 2, 3, 1).numpy())


@given(SIZES, SIZES, st.integers(1, 3), PAIRS, st.sampled_from(maps.TYPES), st.integers(0, 999))
def test_max_pool(
    height: int, width: int, channels: int, kernel: tuple[int, int], dtype: str, seed: int
) -> None:
    source = Edge("x", DataType(dtype), (height, width, channels))
    pool, pooled = maps.max_pool(source, kernel)
    graph = designs.graph_of([source, pooled], [pool])
    images = designs.random_images(graph, 2, seed)
    expected = functional.max_pool2d(planes(images), kernel).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(reference.run(graph, images)[pooled.id], expected)


SUMMED = st.sampled_from(["UINT1", "INT2", "UINT4", "INT8"])


@given(SIZES, SIZES, st.none() | PAIRS, st.integers(0, 4), SUMMED, st.integers(0, 999))
def test_sum_pool(
    height: int, width: int, kernel: tuple[int, int] | None, shift: int, dtype: str, seed: int
) -> None:
    """In the narrowest type that holds every sum, at both its ends, too."""
    source = Edge("x", DataType(dtype), (height, width, 2))
    high, wide = kernel or (height, width)
    pool = SumPool("pool", "x", "y", (), shift, kernel)
    least, most = pool.range(source)
    target = Edge("y", DataType.smallest(least, most), (height // high, width // wide, 2))
    graph = designs.graph_of([source, target], [pool])
    images = designs.random_images(graph, 4, seed)
    mean = functional.avg_pool2d(planes(images), (high, wide)).permute(0, 2, 3, 1).numpy()
    expected = np.floor((mean * high * wide).round() / 2**shift)
    found = reference.run(graph, images)["y"]
    np.testing.assert_array_equal(found, expected)
    assert (found.min(), found.max()) == (least, most)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [((0, 2), "a window of"), ((2, 2), r"not \(2, 3, 2\)"), ((5, 1), r"not \(0, 6, 2\)")],
)
def test_windows_of_sums_that_do_not_fit_are_refused(kernel: tuple[int, int], words: str) -> None:
    edges = [Edge("x", DataType("UINT4"), (4, 6, 2)), Edge("y", DataType("UINT8"), (2, 2, 2))]
    with pytest.raises(PipelineError, match=words):
        designs.graph_of(edges, [SumPool("pool", "x", "y", (), 0, kernel)])


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    graph = maps.network(3)
    hardware.save(graph, tmp_path)
    loaded = hardware.load(tmp_path)
    assert loaded.edges == graph.edges
    images = designs.random_images(graph, 3, 1)
    expected, got = (reference.run(g, images) for g in (graph, loaded))
    assert all(np.array_equal(expected[edge], got[edge]) for edge in expected)


def test_only_what_is_kept_comes_back() -> None:
    graph = maps.network(3)
    images = designs.random_images(graph, 3, 1)
    everything = reference.run(graph, images)
    kept = reference.run(graph, images, {"logits", "label"})
    assert set(kept) == {"logits", "label"}
    assert all(np.array_equal(kept[edge], everything[edge]) for edge in kept)


@pytest.mark.parametrize(
    ("layer_id", "change", "told"),
    [
        ("input_pad", {"rows": (2, 2)}, "output shape is"),
        ("input_padded_swg", {"kernel": (9, 3)}, "output shape is"),
        ("input_padded_swg", {"stride": (0, 1)}, "stride"),
        ("act0_pool", {"kernel": (1, 1)}, "output shape is"),
    ],
)
def test_what_does_not_fit_is_refused(layer_id: str, change: dict[str, object], told: str) -> None:
    graph = maps.network(3)
    layers = tuple(
        replace(layer, **change) if layer.id == layer_id else layer  # type: ignore[arg-type]
        for layer in graph.layers
    )
    with pytest.raises(PipelineError, match=rf"{layer_id}: .*{told}"):
        replace(graph, layers=layers).check()


def test_bipolar_is_not_padded() -> None:
    source = Edge("x", DataType("BIPOLAR"), (3, 3, 1))
    layer, target = maps.pad(source, (1, 1), (1, 1))
    with pytest.raises(PipelineError, match="BIPOLAR has no zero"):
        designs.graph_of([source, target], [layer])


@given(SIZES, SIZES, st.integers(1, 3), PAIRS, PAIRS, st.integers(0, 999))
def test_what_is_kept_of_a_window_and_of_an_image(
    height: int,
    width: int,
    channels: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    source = Edge("x", DataType("INT4"), (height, width, channels))
    kept = maps.blocks(rng, kernel[0] * kernel[1] * channels, 1)
    whole, windows = maps.swg(source, kernel, stride)
    pruned, fewer = maps.swg(source, kernel, stride, kept)
    chosen, vector = maps.select(source, maps.blocks(rng, source.elements, 1))
    images = designs.random_images(designs.graph_of([source, windows], [whole]), 3, seed)
    everything = reference.run(designs.graph_of([source, windows], [whole]), images)[windows.id]
    found = reference.run(designs.graph_of([source, fewer], [pruned]), images)[fewer.id]
    np.testing.assert_array_equal(found, everything[..., kept])
    found = reference.run(designs.graph_of([source, vector], [chosen]), images)[vector.id]
    np.testing.assert_array_equal(found, images.reshape(3, -1)[:, chosen.kept])


def test_what_is_kept_is_saved_and_loaded(tmp_path: Path) -> None:
    source = Edge("x", DataType("INT4"), (4, 4, 2))
    window, windows = maps.swg(source, (2, 2), (1, 1), (1, 2, 7))
    chosen, vector = maps.select(windows, (0, 5, 26))
    hardware.save(designs.graph_of([source, windows, vector], [window, chosen]), tmp_path)
    loaded = hardware.load(tmp_path)
    assert [vars(layer) for layer in loaded.layers] == [vars(window), vars(chosen)]


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ((), "keeps no position"),
        ((2, 1), "do not ascend"),
        ((1, 1), "do not ascend"),
        ((0, 8), r"positions 0\.\.8 of 0\.\.7"),
        ((-1, 3), r"positions -1\.\.3 of 0\.\.7"),
    ],
)
def test_what_cannot_be_kept_is_refused(kept: tuple[int, ...], told: str) -> None:
    source = Edge("x", DataType("INT4"), (2, 2, 2))
    for layer, target in (maps.swg(source, (2, 2), (1, 1), kept), maps.select(source, kept)):
        with pytest.raises(PipelineError, match=rf"{layer.id}: .*{told}"):
            designs.graph_of([source, target], [layer])
