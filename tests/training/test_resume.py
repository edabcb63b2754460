"""A training that is cut goes on to the result of one that was not, bit for bit."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import BatchNorm1d

from pipeline.job import Job
from pipeline.models import Twin
from pipeline.training import loop, run, stage
from pipeline.training.accuracy import Accuracy
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.curves import Curves, Row
from pipeline.training.loop import Labelled
from pipeline.training.team import Team
from tests.training.conftest import MakeJob

EPOCHS = 30


def outputs(job: Job) -> list[bytes]:
    names = ("weights.safetensors", "last.safetensors", "curves.csv")
    return [(job.folder / name).read_bytes() for name in names]


class Cut(BaseException):
    pass


def cut_after(epochs: int, patch: pytest.MonkeyPatch) -> None:
    """Cuts a training in the middle of the epoch that follows, which no checkpoint knows."""
    add = Curves.add

    def add_or_cut(self: Curves, row: Row, rows: list[Row]) -> None:
        if row.epoch == epochs + 1:
            raise Cut
        add(self, row, rows)

    patch.setattr(Curves, "add", add_or_cut)


def cut_while_tested(patch: pytest.MonkeyPatch) -> None:
    """Cuts a training that is over."""
    patch.setattr(stage, "accuracy", lambda *_: (_ for _ in ()).throw(Cut))


@pytest.fixture
def _save_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "Checkpoints", lambda path: Checkpoints(path, seconds=0))


@pytest.mark.usefixtures("_save_every_epoch")
@pytest.mark.parametrize("epochs", [1, 4, 8])
def test_cut_after_some_epochs(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    whole, cut = make_job("whole"), make_job("cut")
    expected = run(whole)
    with monkeypatch.context() as patch:
        if epochs < 8:
            cut_after(epochs, patch)
        else:
            cut_while_tested(patch)
        with pytest.raises(Cut):
            run(cut)
    # what another process would find
    torch.manual_seed(99)
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002 - the generator that a checkpoint holds
    trained = []
    add = Curves.add

    def add_and_tell(self: Curves, row: Row, rows: list[Row]) -> None:
        trained.append(row.epoch)
        add(self, row, rows)

    monkeypatch.setattr(Curves, "add", add_and_tell)
    assert run(cut) == expected
    assert trained == list(range(epochs + 1, 9))
    assert outputs(cut) == outputs(whole)
    assert not list(cut.folder.glob("checkpoint*"))


@pytest.mark.usefixtures("_save_every_epoch")
@pytest.mark.parametrize(
    "fields",
    [
        {"optimiser": "sgd", "momentum": 0.9, "schedule": "step", "milestones": [3, 6]},
        {"optimiser": "adamw", "weight_decay": 0.1, "schedule": "one_cycle"},
        {"schedule": "plateau", "plateau_patience": 0, "loss": "cross_entropy"},
        {"schedule": "halve", "halve_every": 2, "precision": "fp16"},
        {"schedule": "constant", "precision": "bf16"},
    ],
    ids=lambda fields: fields["schedule"],
)
def test_whatever_the_recipe_its_state_is_kept(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    whole, cut = (make_job(name, **fields) for name in ("whole", "cut"))
    expected = run(whole)
    with monkeypatch.context() as patch:
        cut_after(4, patch)
        with pytest.raises(Cut):
            run(cut)
    assert run(cut) == expected
    assert outputs(cut) == outputs(whole)


@pytest.mark.usefixtures("_save_every_epoch")
@pytest.mark.parametrize("epochs", [2, 3, 4, 5])
def test_cut_before_and_after_patience_is_at_its_end(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """Best at epoch 2, equalled at 3, and ended after 5, whenever it is cut."""
    shares = [10.0, 50.0, 50.0, 40.0, 49.0, 60.0, 60.0, 60.0]
    trained: list[int] = []

    def validate(learner: Twin, held_out: Labelled, team: Team) -> Accuracy:
        # the accuracy of an epoch is the epoch's, in whichever process it is trained
        norm = next(layer for layer in learner.model.modules() if isinstance(layer, BatchNorm1d))
        assert norm.num_batches_tracked is not None
        epoch = int(norm.num_batches_tracked) // (270 // 20)
        trained.append(epoch)
        return Accuracy(shares[epoch - 1], None)

    monkeypatch.setattr(loop, "validate", validate)
    whole, cut = (make_job(name, patience=3) for name in ("whole", "cut"))
    expected = run(whole)
    assert trained == [1, 2, 3, 4, 5]
    assert expected["epochs"].value == 5
    assert expected["ending"].value == "no better after epoch 2"
    assert expected["best_epoch"].value == 3, "of two equal epochs the later one"
    assert expected["last_validation_accuracy"].value == 49.0
    with monkeypatch.context() as patch:
        if epochs < 5:
            cut_after(epochs, patch)
        else:
            cut_while_tested(patch)
        with pytest.raises(Cut):
            run(cut)
    trained.clear()
    assert run(cut) == expected
    assert trained == list(range(epochs + 1, 6))
    assert outputs(cut) == outputs(whole)
    assert outputs(cut)[0] != outputs(cut)[1], "best and last are of different epochs"


def test_killed_with_sigkill(make_job: MakeJob) -> None:
    """At any instant: the process is killed wherever it happens to be once it has a checkpoint."""
    whole, cut = (make_job(name, epochs=EPOCHS) for name in ("whole", "cut"))
    run(whole)
    killed = _start(cut)
    while not (cut.folder / "checkpoint.pt").exists():
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.001)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert (cut.folder / "checkpoint.pt").exists()
    run(cut)
    assert outputs(cut) == outputs(whole)


def _start(job: Job) -> subprocess.Popen[bytes]:
    document = dataclasses.asdict(job)
    del document["read"]
    code = f"""
import json, time
from pathlib import Path
from pipeline.job import Job
from pipeline.training import run, stage
from pipeline.training.accuracy import Accuracy
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.curves import Curves
add = Curves.add
Curves.add = lambda *args: (time.sleep(0.02), add(*args))
stage.Checkpoints = lambda path: Checkpoints(path, seconds=0)
job = json.loads({json.dumps(json.dumps(document, default=str))})
job["inputs"] = {{name: Path(place) for name, place in job["inputs"].items()}}
job["folder"] = Path(job["folder"])
run(Job(**job))
"""
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.DEVNULL)
