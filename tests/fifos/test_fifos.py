"""FIFO sizing: the II of the slowest layer, with depths that cannot be lowered one by one."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import fifos
from pipeline.engines.open import ENGINE
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold
from pipeline.hardware.layers import Edge
from pipeline.rtl.folds import cycles
from pipeline.rtl.generator import generate
from pipeline.simulation.model import build_model
from tests.hardware.networks import dense, images
from tests.rtl import designs, maps


def test_the_smallest_depths_that_keep_the_ii(tmp_path: Path, cache: Path) -> None:
    graph = dense([32, 16, 16, 4], "BIPOLAR", "INT2")
    folding = {
        "input_quant": Fold(1, 1),
        "fc0": Fold(4, 4),
        "fc1": Fold(2, 4),
        "fc2": Fold(1, 2),
        "label_select": Fold(1, 1),
    }
    batch = images(graph, fifos.IMAGES)
    depths, ii = fifos.size(graph, folding, batch, tmp_path, cache, ENGINE)
    assert ii == 32, "bound by the input and the first layers"
    assert any(depths.values()), "this folding needs a FIFO"

    def interval(chosen: dict[str, int], name: str) -> float:
        generate(graph, folding, chosen, tmp_path / name / "design")
        model = build_model(
            tmp_path / name / "design", tmp_path / name / "model", cache, optimise="-O1"
        )
        return model.run(batch).interval()

    assert interval(depths, "as-found") == ii
    edge = max(depths, key=depths.__getitem__)
    assert interval({**depths, edge: depths[edge] - 1}, "one-less") > ii


@pytest.mark.parametrize(("simd", "ii"), [(18, 64), (9, 72), (6, 108)])
def test_whole_windows_keep_the_predicted_ii(
    simd: int, ii: int, tmp_path: Path, cache: Path
) -> None:
    """Bound by the map's pixels, or by a unit that takes a window in parts."""
    source = Edge("x", DataType("UINT2"), (8, 8, 2))
    window, windows = maps.swg(source, (3, 3), (1, 1))
    flat = Edge(windows.id, windows.dtype, (windows.channels,))
    weights = np.random.default_rng(1).choice([-1, 1], (4, 18))
    unit, edge = designs.mvau(flat, "y", weights, "BIPOLAR", None)
    target = Edge("y", edge.dtype, (6, 6, 4))
    graph = designs.graph_of([source, windows, target], [window, unit])
    folding = {window.id: Fold(18, 2), unit.id: Fold(4, simd)}
    batch = designs.random_images(graph, fifos.IMAGES, 1)
    depths, found = fifos.size(graph, folding, batch, tmp_path, cache, ENGINE)
    assert found == ii == max(cycles(x, folding[x.id], graph.edges[x.input]) for x in graph.layers)
    model = designs.build(graph, folding, tmp_path / "as-found", cache, depths)
    assert designs.require_exact(model, graph, batch).interval() == ii
