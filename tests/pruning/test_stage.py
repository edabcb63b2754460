"""The stage `prune`: what it writes, and that a cut one goes on to the same result."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.data import FILE, DataSet
from pipeline.errors import VerificationError
from pipeline.export.pruned import same_without_channels
from pipeline.job import Job
from pipeline.models import Cut, images_to_tensor, load_cut, parts, shrunken, trained, whole
from pipeline.pruning import run
from pipeline.pruning import stage as pruning_stage
from pipeline.pruning.stage import fine_tuning
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.curves import Curves, Row
from specs.input import InputSpec
from specs.pruning import PruningSpec
from specs.training import TrainingSpec
from tests.pruning.conftest import MakeJob

OUTPUTS = ("weights.safetensors", "masks.npz", "pruning.json", "rounds.csv", "rounds.svg")


def outputs(job: Job) -> list[bytes]:
    return [(job.folder / name).read_bytes() for name in OUTPUTS]


def after(job: Job) -> Job:
    """A job of a stage that reads what `job` left."""
    specs = {name: job.specs[name] for name in ("network.model", "network.input")}
    inputs = {"data": job.inputs["data"], "prune": job.folder}
    return Job("export", job.unit, specs, inputs, job.folder)


@pytest.mark.parametrize("convolves", [False, True], ids=["fc", "cnv"])
@pytest.mark.parametrize("granularity", ["columns", "channels", "weights"])
def test_masked_and_smaller_network_are_one(
    make_job: MakeJob, granularity: str, convolves: bool
) -> None:
    job = make_job("job", convolves=convolves, granularity=granularity)
    found = run(job)
    data = DataSet.read(job.inputs["data"] / FILE)
    images = images_to_tensor(data.test_images, InputSpec(shape=(6, 6, 1)))
    masked, smaller = whole(after(job)), trained(after(job))
    with torch.no_grad():
        logits = smaller(images)
        torch.testing.assert_close(masked(images), logits)
    right = (logits.argmax(1).numpy() == data.test_labels).mean()
    assert found["test_accuracy"].value == pytest.approx(100 * right)
    same_without_channels(masked, smaller, images, logits.numpy(), 50)
    cut = load_cut(job.folder)
    # of single weights a neuron goes only if by chance nothing reads it any more
    assert cut.kept or granularity == "weights"
    counts = [sum(x.numel() for x in model.parameters()) for model in (masked, smaller)]
    assert (counts[1] < counts[0]) == bool(cut.kept)
    for name, part in parts(masked, InputSpec(shape=(6, 6, 1))).items():
        if (mask := cut.masks.get(name)) is not None:
            gone = ~torch.atleast_2d(mask).expand(part.rows, -1)
            assert not part.matrix(part.layer.weight)[gone].any(), "a scale may depend on it"


def test_what_it_leaves_to_read(make_job: MakeJob) -> None:
    job = make_job("job")
    found = run(job)
    rows = list(csv.DictReader((job.folder / "rounds.csv").read_text().splitlines()))
    assert [row["round"] for row in rows] == ["0", "1", "2", "3"]
    sparsity = [float(row["sparsity"]) for row in rows]
    assert sparsity[0] == 0
    assert sparsity == sorted(sparsity)
    assert float(found["sparsity"].value) == pytest.approx(sparsity[-1])
    layers = json.loads((job.folder / "pruning.json").read_text())
    left = sum(layer["weights"][1] for layer in layers.values())
    assert left == int(rows[-1]["weights"]) == found["weights"].value
    # of a dense layer each weight is one product
    assert int(rows[-1]["macs"]) == left
    had, kept = layers["fc0"]["columns"]
    assert had - kept == len(layers["fc0"]["columns_gone"])
    assert "<svg" in (job.folder / "rounds.svg").read_text()
    names = {path.name for path in job.folder.iterdir()}
    assert names == {*OUTPUTS, "round1.csv", "round2.csv", "round3.csv", "tensorboard"}


def test_without_fine_tuning_only_what_is_gone_changes(make_job: MakeJob) -> None:
    job = make_job("job", epochs=0)
    run(job)
    before = whole(
        dataclasses.replace(after(job), inputs={"train": job.inputs["train"]})
    ).state_dict()
    cut = load_cut(job.folder)
    model = whole(after(job))
    for part in parts(model, InputSpec(shape=(6, 6, 1))).values():
        mask = part.weights(torch.atleast_2d(cut.masks[part.id]).float())
        assert torch.equal(part.layer.weight, before[f"{part.name}.weight"] * mask)


def test_another_smaller_network_is_not_taken_for_it(make_job: MakeJob) -> None:
    job = make_job("job", granularity="channels")
    run(job)
    contract = InputSpec(shape=(6, 6, 1))
    images = torch.rand(60, 1, 6, 6)
    masked, cut = whole(after(job)), load_cut(job.folder)
    wrong = {name: kept.roll(1) for name, kept in cut.kept.items()}
    with torch.no_grad():
        other = shrunken(masked, contract, Cut(cut.masks, wrong))
        logits = other(images).numpy()
    with pytest.raises(VerificationError, match=r"differs from the masked one on .* test images"):
        same_without_channels(masked, other, images, logits, 50)


def test_each_round_begins_with_the_full_rate() -> None:
    training = TrainingSpec(epochs=50, learning_rate=0.02, schedule="step", milestones=(3, 9))
    tuned = fine_tuning(training, PruningSpec(granularity="columns", epochs=6), 2)
    assert (tuned.epochs, tuned.schedule, tuned.learning_rate) == (6, "cosine", 0.005)
    own = PruningSpec(granularity="columns", learning_rate=0.1)
    assert fine_tuning(training, own, 1).learning_rate == 0.1


def test_the_rate_restarts_in_the_curves(make_job: MakeJob) -> None:
    job = make_job("job")
    run(job)
    for number in (1, 2, 3):
        lines = (job.folder / f"round{number}.csv").read_text().splitlines()
        rates = [float(row["learning_rate"]) for row in csv.DictReader(lines)]
        assert rates == pytest.approx([0.005, 0.0025])


class Stop(BaseException):
    pass


@pytest.mark.parametrize("epochs", [0, 1, 2, 3, 5])
def test_cut_anywhere_it_goes_on_to_the_same_result(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """Cut in the epoch that follows so many of all rounds together, of which each has two."""
    every = lambda path: Checkpoints(path, seconds=0)  # noqa: E731
    monkeypatch.setattr(pruning_stage, "Checkpoints", every)
    done, cut = make_job("whole"), make_job("cut")
    expected = run(done)
    add, seen = Curves.add, list[int]()

    def add_or_stop(self: Curves, row: Row, rows: list[Row]) -> None:
        if len(seen) == epochs:
            raise Stop
        seen.append(row.epoch)
        add(self, row, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Curves, "add", add_or_stop)
        with pytest.raises(Stop):
            run(cut)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - another process has other numbers
    again = list[int]()

    def add_and_tell(self: Curves, row: Row, rows: list[Row]) -> None:
        again.append(row.epoch)
        add(self, row, rows)

    monkeypatch.setattr(Curves, "add", add_and_tell)
    assert run(cut) == expected
    assert [*seen, *again] == [1, 2] * 3, "nothing is done twice"
    assert outputs(cut) == outputs(done)
    assert not list(cut.folder.glob("*.pt"))


def test_killed_with_sigkill(make_job: MakeJob) -> None:
    done, cut = (make_job(name, epochs=20) for name in ("whole", "cut"))
    run(done)
    killed = _start(cut)
    while not (cut.folder / "round2.pt").exists():
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.001)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    run(cut)
    assert outputs(cut) == outputs(done)


def _start(job: Job) -> subprocess.Popen[bytes]:
    document: dict[str, Any] = dataclasses.asdict(job)
    del document["read"]
    code = f"""
import json, time
from pathlib import Path
from pipeline.job import Job
from pipeline.pruning import run
from pipeline.training.curves import Curves
add = Curves.add
Curves.add = lambda *args: (time.sleep(0.02), add(*args))
job = json.loads({json.dumps(json.dumps(document, default=str))})
job["inputs"] = {{name: Path(place) for name, place in job["inputs"].items()}}
job["folder"] = Path(job["folder"])
run(Job(**job))
"""
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.DEVNULL)
