"""The graph as files comes back the same; what is inconsistent is refused by name."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.hardware import graph as hardware
from pipeline.hardware import reference
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Add, Edge, Fork, Layer, Mvau, Threshold
from specs.input import InputSpec
from tests.hardware.networks import dense, images

KINDS = [("BIPOLAR", "BIPOLAR"), ("BIPOLAR", "INT2"), ("INT2", "INT2"), ("INT2", "UINT2")]


@pytest.mark.parametrize(("weight", "activation"), KINDS)
def test_saved_and_loaded_is_the_same(tmp_path: Path, weight: str, activation: str) -> None:
    graph = dense([12, 8, 6, 4], weight, activation)
    hardware.save(graph, tmp_path)
    loaded = hardware.load(tmp_path)
    assert loaded.edges == graph.edges
    assert loaded.input == graph.input
    expected, got = (reference.run(g, images(graph, 20)) for g in (graph, loaded))
    assert all(np.array_equal(expected[edge], got[edge]) for edge in expected)


def test_equal_graphs_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        hardware.save(dense([12, 8, 4]), tmp_path / name)
    for file in ("hardware.json", "hardware.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    hardware.save(dense([4, 2]), tmp_path)
    path = tmp_path / "hardware.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    with pytest.raises(PipelineError, match="schema_version 99"):
        hardware.load(tmp_path)


def with_layer(graph: HardwareGraph, index: int, **values: object) -> HardwareGraph:
    layers: list[Layer] = list(graph.layers)
    layers[index] = replace(layers[index], **values)  # type: ignore[arg-type]
    return replace(graph, layers=tuple(layers))


@pytest.mark.parametrize(
    ("index", "values", "words"),
    [
        (0, {"thresholds": np.zeros((3, 1), np.int64)}, "input_quant: thresholds have shape"),
        (0, {"offset": 0, "thresholds": np.array([[2, 1]] * 12)}, "not ascending"),
        (0, {"falling": np.zeros(12, np.int64)}, r"falling is int64 \(12,\), not bool \(12,\)"),
        (0, {"falling": np.zeros((12, 1), bool)}, r"falling is bool \(12, 1\), not bool"),
        (1, {"weights": np.ones((8, 5), np.int64)}, "fc0: weights are 8x5"),
        (1, {"weights": np.zeros((8, 12), np.int64)}, "fc0: weights are not all BIPOLAR"),
        (1, {"accumulator": DataType("UINT3")}, "fc0: accumulators reach 0..12"),
        (1, {"input": "nowhere"}, "fc0: no such edge: nowhere"),
        (1, {"id": "input_quant"}, "two layers share an id"),
        (2, {"accumulator": DataType("UINT5")}, "fc1: the output is UINT4"),
        (3, {"output": "fc1_out"}, "label_select: output shape"),
    ],
)
def test_inconsistencies_are_named(index: int, values: dict[str, object], words: str) -> None:
    with pytest.raises(PipelineError, match=words):
        with_layer(dense([12, 8, 10]), index, **values).check()


def test_falling_levels_and_factors_are_saved_and_loaded(tmp_path: Path) -> None:
    edges = {name: Edge(name, DataType("UINT2"), (1, 1, 3)) for name in ("image", "a", "b", "c")}
    edges["sum"] = Edge("sum", DataType("INT6"), (1, 1, 3))
    falling = np.array([True, False, True])
    limits = np.array([[1, 2, 3]] * 3)
    graph = HardwareGraph(
        "falls",
        InputSpec(shape=(1, 1, 3)),
        edges,
        (
            Threshold("levels", "image", "a", (), limits, 0, falling),
            Fork("fork", "a", "b", (), "c"),
            Add("add", "b", "sum", (), "c", (3, -2)),
        ),
    )
    hardware.save(graph, tmp_path)
    levels, _, add = hardware.load(tmp_path).layers
    assert isinstance(levels, Threshold)
    assert isinstance(add, Add)
    assert levels.falling is not None
    assert levels.falling.dtype == np.dtype(bool)
    assert levels.falling.tolist() == falling.tolist()
    assert add.factors == (3, -2)
    for factors, words in [((0, 1), "times 0"), ((31, 1), r"sums reach 0\.\.96, more than INT6")]:
        with pytest.raises(PipelineError, match=words):
            with_layer(graph, 2, factors=factors).check()


def test_a_popcount_that_reaches_mw_fits_its_accumulator() -> None:
    layer = dense([784, 8, 4]).layers[1]
    assert isinstance(layer, Mvau)
    assert layer.accumulator.max >= 784
