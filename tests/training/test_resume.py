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

import numpy as np
import pytest
import torch

from pipeline.job import Job
from pipeline.training import run, stage
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.curves import Curves, Row
from tests.training.conftest import MakeJob

EPOCHS = 30


def outputs(job: Job) -> list[bytes]:
    return [(job.folder / name).read_bytes() for name in ("weights.safetensors", "curves.csv")]


class Cut(BaseException):
    pass


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
    add = Curves.add

    def add_or_cut(self: Curves, row: Row, rows: list[Row]) -> None:
        # in the middle of an epoch that no checkpoint knows
        if row.epoch == epochs + 1:
            raise Cut
        add(self, row, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Curves, "add", add_or_cut)
        if epochs < 8:
            with pytest.raises(Cut):
                run(cut)
        else:  # trained to the end, cut while it is tested
            patch.setattr(stage, "accuracy", lambda *_: (_ for _ in ()).throw(Cut))
            with pytest.raises(Cut):
                run(cut)
    # what another process would find
    torch.manual_seed(99)
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002 - the generator that a checkpoint holds
    trained = []

    def add_and_tell(self: Curves, row: Row, rows: list[Row]) -> None:
        trained.append(row.epoch)
        add(self, row, rows)

    monkeypatch.setattr(Curves, "add", add_and_tell)
    assert run(cut) == expected
    assert trained == list(range(epochs + 1, 9))
    assert outputs(cut) == outputs(whole)
    assert not list(cut.folder.glob("checkpoint*"))


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
