"""The images that a level is evaluated on, and what is written of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import evaluation
from pipeline.data import FILE, DataSet
from pipeline.evaluation import run
from pipeline.job import Job
from specs.input import InputSpec


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Evaluates a network that gives an image's first pixel, on images that are sorted by class."""
    labels = np.repeat([0, 1, 2], [60, 20, 20])
    images = labels.astype(np.uint8)[:, None] + np.zeros((100, 4), np.uint8)
    images[99, 0] = 0  # the one that is wrong
    (tmp_path / "data").mkdir()
    DataSet(images, labels, images, labels).write(tmp_path / "data" / FILE)
    monkeypatch.setitem(
        evaluation._LEVELS, "brevitas", lambda _, part, __: (part[:, 0].astype(np.int64), None)
    )

    def made(count: int | None) -> Job:
        folder = tmp_path / f"evaluate-{count}"
        folder.mkdir()
        specs = {
            "network.input": InputSpec(shape=(4,)).model_dump(),
            "evaluation.images": count,
        }
        return Job("evaluate-brevitas", "net", specs, {"data": tmp_path / "data"}, folder)

    return made


def test_a_part_of_sorted_images_has_all_classes(job: Any) -> None:
    asked = job(10)
    assert run(asked)["right"].value == "10 of 10"
    chosen = np.load(asked.folder / "indices.npy")
    assert np.load(asked.folder / "predictions.npy").tolist() == [0] * 6 + [1] * 2 + [2] * 2
    assert chosen.tolist() == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]
    assert (asked.folder / "confusion.csv").read_text().split()[1:] == [
        "0,6,0,0",
        "1,0,2,0",
        "2,0,0,2",
    ]


def test_all_images_are_evaluated_in_their_order(job: Any) -> None:
    asked = job(None)
    assert run(asked)["right"].value == "99 of 100"
    assert np.load(asked.folder / "predictions.npy").tolist()[-1] == 0
    assert not (asked.folder / "indices.npy").exists()
