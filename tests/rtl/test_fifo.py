"""FIFOs: a limit set at run time is a FIFO of that depth, to the cycle."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, Threshold
from pipeline.rtl.design import TOP
from pipeline.simulation.model import Model, Stalls
from tests.rtl import designs

STALLS = (None, Stalls(5, 0.5, 0.5), Stalls(6, 0.1, 0.7), Stalls(7, 0.7, 0.1))


@pytest.fixture(scope="module")
def graph() -> HardwareGraph:
    edges = [Edge(name, DataType("UINT2"), (12,)) for name in "xyz"]
    limits = np.tile([1, 2, 3], (12, 1))
    return designs.graph_of(
        edges, [Threshold("a", "x", "y", (), limits), Threshold("b", "y", "z", (), limits)]
    )


@pytest.fixture(scope="module")
def deep(graph: HardwareGraph, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Model:
    folder = tmp_path_factory.mktemp("deep")
    return designs.build(graph, FOLDING, folder, cache, {"y": 40, "z": 33})


FOLDING = {"a": Fold(2, 2), "b": Fold(3, 3)}


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 8])
def test_a_limit_is_a_fifo_of_that_depth(
    depth: int, deep: Model, graph: HardwareGraph, tmp_path: Path, cache: Path
) -> None:
    real = designs.build(graph, FOLDING, tmp_path / "real", cache, {"y": depth, "z": depth})
    images = designs.random_images(graph, 30, depth)
    for stalls in STALLS:
        limited = deep.run(images, stalls=stalls, fifo_limits={"y": depth, "z": depth})
        built = designs.require_exact(real, graph, images, stalls)
        np.testing.assert_array_equal(limited.completed, built.completed)
        np.testing.assert_array_equal(limited.output, built.output)
        assert limited.peaks == built.peaks
        assert max(built.peaks.values()) <= depth


def test_three_beats_give_full_rate(deep: Model, graph: HardwareGraph) -> None:
    images = designs.random_images(graph, 30, 1)
    assert deep.run(images, fifo_limits={"y": 3, "z": 3}).interval() == 6
    assert deep.run(images, fifo_limits={"y": 3, "z": 1}).interval() > 6


def test_high_water_mark_is_what_a_blocked_output_piles_up(
    deep: Model, graph: HardwareGraph
) -> None:
    images = designs.random_images(graph, 30, 1)
    assert deep.run(images, stalls=Stalls(1, 0.0, 0.9)).peaks["z"] == 33
    assert deep.run(images).peaks["z"] < 4


def test_a_deep_fifo_is_block_ram(graph: HardwareGraph, tmp_path: Path, cache: Path) -> None:
    folding = {"a": Fold(12, 12), "b": Fold(12, 12)}
    model = designs.build(graph, folding, tmp_path, cache, {"y": 600, "z": 40})
    text = (tmp_path / "design" / f"{TOP}.v").read_text()
    blocks = re.findall(r"\.BLOCK\((\d)\)\s+\) (\w)_fifo", text)
    assert blocks == [("1", "y"), ("0", "z")]
    images = designs.random_images(graph, 1500, 1)
    for stalls in (None, Stalls(1, 0.0, 0.9)):
        result = designs.require_exact(model, graph, images, stalls)
    assert result.peaks["y"] == 600
