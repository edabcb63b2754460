"""Thresholds in three styles: the memories of a search, and each style in each layer."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from pipeline.hardware import reference
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, Folding, ThresholdStyle
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, Layer, Threshold
from pipeline.rtl.folds import cycles
from pipeline.rtl.generator import write_memories
from pipeline.rtl.layers import instance
from pipeline.rtl.levels import STYLES, Levels
from pipeline.rtl.memories import Memory
from pipeline.verification.compare import first_difference
from pipeline.verification.mutants import mutants
from tests.rtl import designs


def numbers(memory: Memory, dtype: DataType) -> np.ndarray:
    """One number a word."""
    weights = 1 << np.arange(dtype.bits)
    return dtype.decode(memory.words.astype(np.int64) @ weights)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7, 8, 14, 255])
def test_a_walk_through_the_memories_counts_the_thresholds(steps: int) -> None:
    rng = np.random.default_rng(steps)
    values, least = DataType("INT9"), 156  # -100 as INT8
    limits = np.sort(rng.integers(values.min, values.max + 1, (6, steps)), axis=1)
    searched = Levels(limits, values, 2, offset=least, bits=8, style="search")
    bank, offset = searched.bank(), searched.parameters()["OFFSET"]
    levels = steps.bit_length()
    for channel, value in product(range(6), rng.integers(values.min, values.max + 1, 20)):
        fold, lane = divmod(channel, 2)
        found = 0
        for level in range(levels):
            words = numbers(bank[f"_{level}_{lane:04d}"], values)
            assert len(words) == 3 << level
            found = 2 * found + int(value >= words[(fold << level) + found])
        assert (offset + found) % 256 == (least + (limits[channel] <= value).sum()) % 256


def chain() -> HardwareGraph:
    """Both layers that have thresholds, accumulators that a table takes, counts to pad, rows that
    are always and never reached, one layer whose channels share their thresholds. Some rows of the
    one fall, and all of the other."""
    rng = np.random.default_rng(4)
    x, y = Edge("x", DataType("UINT8"), (12,)), Edge("y", DataType("INT4"), (12,))
    own = np.sort(rng.integers(0, 257, (12, 13)), axis=1)
    own[3], own[5] = 0, 256
    falling = np.arange(12) % 3 > 0
    falling[3] = True  # always reached, so always least
    layers: list[Layer] = [Threshold("own", "x", "y", (), own, -7, falling)]
    weights = rng.choice([-1, 1], (8, 12))
    limits = np.sort(rng.normal(0, 20, (8, 10)).round().astype(np.int64), axis=1)
    limits[1], limits[2] = -90, 90
    layer, z = designs.mvau(y, "z", weights, "BIPOLAR", "UINT4", limits)
    layers.append(layer)
    shared = np.array([[2, 5, 9]]).repeat(8, axis=0)
    layers.append(Threshold("shared", "z", "label", (), shared, 0, np.ones(8, bool)))
    return designs.graph_of([x, y, z, Edge("label", DataType("UINT2"), (8,))], layers)


FOLDS = [
    {"own": Fold(12, 12), "z_unit": Fold(8, 12), "shared": Fold(8, 8)},  # a vector a cycle
    {"own": Fold(3, 3), "z_unit": Fold(2, 12, "block"), "shared": Fold(2, 2)},
    {"own": Fold(1, 1), "z_unit": Fold(4, 2), "shared": Fold(1, 1)},
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("folds", FOLDS)
def test_each_style_equals_the_reference_at_full_rate(
    style: ThresholdStyle, folds: Folding, tmp_path: Path, cache: Path
) -> None:
    graph = chain()
    folding = {name: replace(fold, threshold_style=style) for name, fold in folds.items()}
    model = designs.build(graph, folding, tmp_path, cache)
    images = designs.random_images(graph, 64, 2)
    expected = max(
        cycles(layer, folding[layer.id], graph.edges[layer.input]) for layer in graph.layers
    )
    assert designs.require_exact(model, graph, images).interval(30) == expected
    for stalls in designs.STALLS[1:]:
        designs.require_exact(model, graph, images, stalls)
    streams = reference.run(graph, images)
    kinds = set()
    for number, mutant in enumerate(mutants(graph, folding, streams)):
        write_memories(mutant.graph, folding, tmp_path / str(number))
        got = model.run(images, memory_folder=tmp_path / str(number), trace=len(images)).streams
        difference = first_difference(graph, streams, got)
        assert difference is not None, mutant.what
        assert difference.layer == mutant.layer
        kinds.add((mutant.layer, mutant.kind))
    assert {(layer.id, "threshold") for layer in graph.layers} <= kinds
    assert {("own", "falling"), ("shared", "falling")} <= kinds


def deep_threshold(channels: int, output: str) -> HardwareGraph:
    rng = np.random.default_rng(1)
    dtype = DataType(output)
    limits = np.sort(rng.integers(0, 257, (channels, dtype.max)), axis=1)
    edges = [Edge("x", DataType("UINT8"), (channels,)), Edge("y", dtype, (channels,))]
    falling = rng.integers(0, 2, channels) > 0
    return designs.graph_of(edges, [Threshold("y_unit", "x", "y", (), limits, 0, falling)])


def deep_mvau() -> HardwareGraph:
    rng = np.random.default_rng(2)
    source = Edge("x", DataType("UINT8"), (8,))
    weights = rng.integers(-127, 128, (64, 8))
    limits = np.sort(rng.normal(0, 4e4, (64, 255)).round().astype(np.int64), axis=1)
    layer, edge = designs.mvau(source, "y", weights, "INT8", "INT8", limits)
    return designs.graph_of([source, edge], [layer])


@pytest.mark.parametrize(
    ("graph", "fold", "block_level"),
    [
        (deep_threshold(1024, "UINT2"), Fold(1, 1, "lut", "search"), 0),
        (deep_threshold(256, "UINT4"), Fold(2, 2, "lut", "search"), 3),
        (deep_mvau(), Fold(2, 8, "lut", "search"), 4),
        (deep_mvau(), Fold(2, 8, "block", "search"), 4),
    ],
)
def test_deep_levels_are_in_block_ram(
    graph: HardwareGraph, fold: Fold, block_level: int, tmp_path: Path, cache: Path
) -> None:
    folding = {"y_unit": fold}
    parameters = instance(graph, graph.layers[0], fold).parameters
    assert parameters["BLOCK_LEVEL"] == block_level
    model = designs.build(graph, folding, tmp_path, cache)
    images = designs.random_images(graph, 8, 3)
    expected = cycles(graph.layers[0], fold, graph.source)
    assert designs.require_exact(model, graph, images).interval(4) == expected
    designs.require_exact(model, graph, images, designs.STALLS[1])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("name", "least", "steps"),
    [("BIPOLAR", -1, 1), ("INT3", -4, 7), ("INT3", -3, 6), ("UINT4", 2, 4)],
)
def test_levels_that_fall_are_those_that_rise_turned_round(
    name: str, least: int, steps: int, style: ThresholdStyle, tmp_path: Path, cache: Path
) -> None:
    """Every input value, each in a channel that falls and in one with the same row that rises."""
    dtype = DataType(name)
    source, target = Edge("x", DataType("INT4"), (8,)), Edge("y", dtype, (8,))
    rows = np.sort(np.random.default_rng(steps).integers(-8, 9, (4, steps)), axis=1)
    falling = np.tile([False, True], 4)
    layer = Threshold("t", "x", "y", (), rows.repeat(2, axis=0), least, falling)
    graph = designs.graph_of([source, target], [layer])
    model = designs.build(graph, {"t": Fold(2, 2, "lut", style)}, tmp_path, cache)
    images = np.arange(-8, 8)[:, None].repeat(8, axis=1)
    for stalls in designs.STALLS:
        output = designs.require_exact(model, graph, images, stalls).output
        rising, fallen = output[:, 0::2], output[:, 1::2]
        np.testing.assert_array_equal(rising + fallen, 0 if dtype.bipolar else 2 * least + steps)


@pytest.mark.parametrize("style", STYLES)
def test_nothing_is_added_where_nothing_falls(style: ThresholdStyle) -> None:
    graph = chain()
    own = graph.layer("own")
    assert isinstance(own, Threshold)
    layer = replace(own, falling=None)
    made = instance(graph, layer, Fold(2, 2, "lut", style))
    assert not {"FALLS", "TURN"} & made.parameters.keys()
    assert "_falls" not in made.banks["FILES"]


def test_what_channels_share_is_kept_once() -> None:
    graph = chain()
    for style in STYLES:
        fold = Fold(2, 2, "lut", style)
        own, shared = (
            sum(
                memory.words.size for memory in instance(graph, layer, fold).banks["FILES"].values()
            )
            for layer in (graph.layer("own"), graph.layer("shared"))
        )
        assert shared < own / 8
