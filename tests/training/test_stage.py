import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.data import FILE, DataSet
from pipeline.errors import PipelineError, SpecError
from pipeline.job import PROGRESS
from pipeline.models import build, images_to_tensor, load_weights
from pipeline.training import loop, run
from pipeline.training.accuracy import Accuracy
from pipeline.training.recipe import Recipe
from pipeline.training.stage import split
from specs.input import InputSpec
from specs.models import FcModel
from tests.training.conftest import MakeJob


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_learns_and_leaves_its_outputs(
    make_job: MakeJob, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job("a")
    metrics = run(job)
    assert float(metrics["test_accuracy"].value) > 80
    assert {figure.kind for figure in metrics.values()} == {"measured"}
    assert metrics["test_images"].value == 90
    assert files(job.folder) == [
        "curves.csv",
        "last.safetensors",
        "tensorboard",
        "weights.safetensors",
    ]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(PROGRESS)]
    last = json.loads(lines[-1].removeprefix(PROGRESS))
    assert last["text"].startswith("epoch 8/8, loss ")
    assert last["share"] == 1.0


def test_curves_hold_every_epoch_and_the_best_is_the_last_of_the_greatest(
    make_job: MakeJob,
) -> None:
    job = make_job("a")
    metrics = run(job)
    with (job.folder / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(i) for i in range(1, 9)]
    accuracies = [float(row["validation_accuracy"]) for row in rows]
    assert metrics["validation_accuracy"].value == pytest.approx(max(accuracies))
    best = max(i for i, value in enumerate(accuracies, 1) if value == max(accuracies))
    assert metrics["best_epoch"].value == best


@pytest.mark.parametrize("best", [1, 8])
def test_the_weights_are_the_best_epoch_s_and_give_the_stated_accuracy(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    epochs = iter(range(1, 9))
    monkeypatch.setattr(
        loop, "validate", lambda *_: Accuracy(50.0 - abs(best - next(epochs)), None)
    )
    job = make_job("a")
    metrics = run(job)
    assert metrics["best_epoch"].value == best
    contract = job.spec("network.input", InputSpec)
    model = build(job.spec("network.model", FcModel), contract)
    load_weights(model, job.folder)
    data = DataSet.read(job.inputs["data"] / FILE)
    found = model(images_to_tensor(data.test_images, contract)).argmax(1).numpy()
    right = int((found == data.test_labels).sum())
    assert metrics["test_accuracy"].value == pytest.approx(100 * right / 90)


def test_the_same_job_gives_the_same_bytes_and_another_seed_does_not(make_job: MakeJob) -> None:
    written = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        job = make_job(name, seed=seed)
        run(job)
        written.append(
            [(job.folder / file).read_bytes() for file in ("weights.safetensors", "curves.csv")]
        )
    assert written[0] == written[1]
    assert written[0][0] != written[2][0]


def test_the_test_images_choose_nothing(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job("a")
    run(job)
    data = DataSet.read(job.inputs["data"] / FILE)
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    labels = np.roll(data.test_labels, 1)
    DataSet(data.train_images, data.train_labels, data.test_images, labels).write(wrong / FILE)
    other = replace(make_job("b"), inputs={"data": wrong})
    assert float(run(other)["test_accuracy"].value) < 50
    weights = [(at.folder / "weights.safetensors").read_bytes() for at in (job, other)]
    assert weights[0] == weights[1]


def test_divergence_is_an_error_that_names_the_field(make_job: MakeJob) -> None:
    with pytest.raises(PipelineError, match=r"diverged in epoch 1: .* at step 2; .*learning_rate"):
        run(make_job("a", learning_rate=1e38))


def test_divergence_is_seen_within_its_epoch(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 135 steps of the first epoch the 60th goes wrong, and the 100th is the last."""
    losses = iter([1.0] * 59 + [float("inf"), float("nan")] + [1.0] * 99)
    done = []
    step = Recipe.step

    def step_with_another_loss(self: Recipe, images: Tensor, targets: Tensor) -> Tensor:
        done.append(step(self, images, targets))
        return torch.tensor(next(losses))

    monkeypatch.setattr(Recipe, "step", step_with_another_loss)
    with pytest.raises(PipelineError, match=r"in epoch 1: the loss is inf at step 60; choose a"):
        run(make_job("a", batch_size=2))
    assert len(done) == 100


def test_a_parameter_that_is_no_number_is_an_error_though_the_loss_is_fine(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Recipe.step

    def spoil(self: Recipe, images: Tensor, targets: Tensor) -> Tensor:
        loss = step(self, images, targets)
        with torch.no_grad():
            self.optimiser.param_groups[0]["params"][0][0, 0] = torch.nan
        return loss

    monkeypatch.setattr(Recipe, "step", spoil)
    with pytest.raises(PipelineError, match=r"diverged in epoch 1: .*weight is not finite; choose"):
        run(make_job("a"))


def test_top_5_of_more_than_five_classes(make_job: MakeJob) -> None:
    """Of 3 classes of images and 8 of scores: right are the 5 best scores, more often than one."""
    assert "test_top5" not in run(make_job("a"))
    job = make_job("b", epochs=1, learning_rate=1e-9)
    job.specs["network.model"]["classes"] = 8
    metrics = run(job)
    model = build(job.spec("network.model", FcModel), job.spec("network.input", InputSpec))
    load_weights(model, job.folder)
    data = DataSet.read(job.inputs["data"] / FILE)
    images = images_to_tensor(data.test_images, job.spec("network.input", InputSpec))
    ranks = np.argsort(-model(images).detach().numpy(), axis=1, kind="stable")
    five = 100 * np.mean([y in row[:5] for y, row in zip(data.test_labels, ranks, strict=True)])
    assert metrics["test_top5"].value == pytest.approx(five)
    assert float(metrics["test_accuracy"].value) < five < 100
    with (job.folder / "curves.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["validation_top5"]) > float(row["validation_accuracy"])


def test_outputs_without_a_class_are_told(
    make_job: MakeJob, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "outputs" not in run(make_job("a", epochs=1))
    assert "outputs" not in capsys.readouterr().out
    job = make_job("b", epochs=1)
    job.specs["network.model"]["classes"] = 8
    assert str(run(job)["outputs"]) == "8 for 3 classes"
    assert "the network has 8 outputs, and the data set only 3 classes" in capsys.readouterr().out


def test_more_classes_than_the_network_has_are_refused(make_job: MakeJob) -> None:
    job = make_job("a")
    job.specs["network.model"]["classes"] = 2
    with pytest.raises(SpecError, match=r"model.classes = 2: the data set has 3 classes"):
        run(job)


def test_the_split_is_seeded_and_loses_nothing() -> None:
    held_out, kept = split(100, 0.1, seed=1)
    assert (len(held_out), len(kept)) == (10, 90)
    assert torch.equal(torch.cat([held_out, kept]).sort().values, torch.arange(100))
    assert torch.equal(split(100, 0.1, seed=1)[0], held_out)
    assert not torch.equal(split(100, 0.1, seed=2)[0], held_out)
    with pytest.raises(SpecError, match=r"validation_share = 0.1: of 4 images it leaves 0"):
        split(4, 0.1, seed=1)
