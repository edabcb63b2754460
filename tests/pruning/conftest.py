from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.job import Job
from pipeline.models import build, save_weights
from specs.input import InputSpec
from specs.models import CnvModel, FcModel
from tests.training.conftest import blobs

__all__ = ["blobs"]

MakeJob = Callable[..., Job]
BITS = {"weight_bits": 2, "activation_bits": 2, "input_bits": 2}


@pytest.fixture
def make_job(blobs: Path, tmp_path: Path) -> MakeJob:
    """A job of the stage `prune` in a folder of its own; keywords are fields of the pruning.

    The weights that it starts from are not trained.
    """

    def make(name: str, *, convolves: bool = False, **pruning: Any) -> Job:
        contract = InputSpec(shape=(6, 6, 1))
        model: CnvModel | FcModel
        if convolves:
            layers = ({"channels": 8}, {"channels": 8, "kernel": 2})
            dense = ({"width": 16},)
            model = CnvModel.model_validate(
                {"family": "cnv", "convolutions": layers, "dense": dense, "classes": 3, **BITS}
            )
        else:
            model = FcModel.model_validate({"hidden": [16, 16], "classes": 3, **BITS})
        trained = tmp_path / "train"
        trained.mkdir(exist_ok=True)
        torch.manual_seed(1)
        save_weights(build(model, contract).state_dict(), trained)
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        specs = {
            "network.model": model.model_dump(mode="json"),
            "network.input": {"shape": [6, 6, 1]},
            "network.training": {"epochs": 1, "batch_size": 20},
            "network.pruning": {"granularity": "columns", "rounds": 3, "epochs": 2, **pruning},
        }
        return Job("prune", name, specs, {"data": blobs, "train": trained}, folder)

    return make
