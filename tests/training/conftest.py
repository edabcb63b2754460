from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data import FILE, DataSet
from pipeline.job import Job

MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `data` stage's folder: 300 + 90 easy images of 6x6 in 3 classes."""
    rng = np.random.default_rng(5)
    labels = np.arange(390) % 3
    centres = rng.integers(0, 256, (3, 6, 6, 1))
    images = (centres[labels] + rng.normal(0, 60, (390, 6, 6, 1))).clip(0, 255).astype(np.uint8)
    folder = tmp_path_factory.mktemp("data")
    DataSet(images[:300], labels[:300], images[300:], labels[300:]).write(folder / FILE)
    return folder


@pytest.fixture
def make_job(blobs: Path, tmp_path: Path) -> MakeJob:
    """A training job in a folder of its own; keywords are fields of the training spec."""

    def make(name: str, **training: Any) -> Job:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        bits = {"weight_bits": 1, "activation_bits": 1, "input_bits": 1}
        specs = {
            "network.model": {"family": "fc", "hidden": [16, 16], "classes": 3, **bits},
            "network.input": {"shape": [6, 6, 1]},
            "network.training": {"epochs": 8, "batch_size": 20, **training},
        }
        return Job("train", name, specs, {"data": blobs}, folder)

    return make
