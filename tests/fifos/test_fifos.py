"""FIFO sizing: the II of the slowest layer, with depths that cannot be lowered one by one."""

from pathlib import Path

from pipeline import fifos
from pipeline.folding.choice import Fold
from pipeline.rtl.generator import generate
from pipeline.simulation.verilator import build_model
from tests.hardware.networks import dense, images


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
    depths, ii = fifos.size(graph, folding, batch, tmp_path, cache)
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
