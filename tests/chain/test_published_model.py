"""A QONNX model that others trained and published, on the whole test set at each level."""

from pathlib import Path

import pytest

from pipeline.flow.selection import selection
from pipeline.flow.state import metrics
from pipeline.flow.task import Task
from pipeline.job import Metrics

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MODEL, MNIST = SHARED / "models" / "TFC_1W2A.onnx", SHARED / "mnist"


def made(task: Task) -> Metrics:
    for need in task.inputs:
        made(need)
    if task.outdated() is not None:
        task.execute(lambda text, share: None)
    return metrics(task.folder)


@pytest.mark.skipif(not MODEL.is_file(), reason="no data sets beside the repository")
def test_tfc_1w2a_has_the_same_accuracy_at_each_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_BUILD_DIR", str(tmp_path))
    chosen = selection(
        {
            "qonnx": str(MODEL), "dataset": "mnist", "data_root": str(MNIST),
            "input_scale": "1/255", "fps": "200000",
        }
    )  # fmt: skip
    found = {
        level: made(task)["right"].value
        for level in ("qonnx", "reference", "rtl")
        for task in chosen.tasks(f"evaluate-{level}")
    }
    # what FINN's authors measure with it on a board, too: 94.74 % (Brevitas' table: 94.79 %)
    assert found == dict.fromkeys(("qonnx", "reference", "rtl"), "9,474 of 10,000")
