"""Runs one training job: from the data set to weights, curves and accuracies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from pipeline.data import FILE, DataSet
from pipeline.data.inputs import spare_outputs
from pipeline.errors import SpecError
from pipeline.job import Figure, Job, Metrics
from pipeline.models import Twin, build_of, images_to_tensor, save_weights, twin
from pipeline.training.accuracy import Accuracy, right, share
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.curves import Curves
from pipeline.training.global_norm import share_statistics
from pipeline.training.launch import launch
from pipeline.training.loop import Labelled, train
from pipeline.training.start import start_weights
from pipeline.training.team import ALONE, Team, check_device
from specs.input import InputSpec
from specs.models import AnyModel, Model, QonnxModel
from specs.training import TrainingSpec

_CHECKPOINT = "checkpoint.pt"
_LAST = "last.safetensors"
_BLOCK = 5000
"""Images encoded at a time."""


def run(job: Job) -> Metrics:
    """Writes weights.safetensors (best on validation), last.safetensors, curves.csv, tensorboard/.

    If an interrupted run of the same job left a checkpoint, it continues from that, with the same
    result. Raises SpecError if the data, the initial weights or this machine do not suit the
    training, and PipelineError if those weights cannot be loaded or the training diverged.
    """
    job.read.update(("network.model", "network.input"))  # by `work`, in whichever process
    training = job.spec("network.training", TrainingSpec)
    check_device(training)
    if training.processes * training.machines > 1:
        return launch(job, training, "pipeline.training.stage")
    return work(job, replace(ALONE, device=torch.device(training.device)))


def work(job: Job, team: Team) -> Metrics:
    """The work of one process. Only the first process of each machine returns metrics."""
    contract = job.spec("network.input", InputSpec)
    training = job.spec("network.training", TrainingSpec)
    spec: AnyModel = job.spec("network.model", Model)  # type: ignore[arg-type]
    data = DataSet.read(job.inputs["data"] / FILE)
    spare = require_classes(spec, data)
    settle(training)
    model = build_of(job)
    start = start_weights(training.checkpoint, model, spec, contract, job.settings)
    material = prepare(job, model, data, team)
    checkpoints = Checkpoints(job.folder / _CHECKPOINT)
    trained = train(
        material.learner,
        training,
        material.images,
        material.held_out,
        checkpoints,
        Curves(job.folder),
        team,
    )
    if not team.leads:
        return {}
    best, last = trained.best, trained.last
    save_weights(last.weights, job.folder, _LAST)
    save_weights(best.weights, job.folder)
    model.cpu().load_state_dict(best.weights)
    test = accuracy(model, images_to_tensor(data.test_images, contract), data.test_labels)
    checkpoints.remove()
    return {
        **of_test(test, data),
        **spare,
        "validation_accuracy": Figure(best.accuracy, "%", "measured"),
        "best_epoch": Figure(best.epoch, "", "measured"),
        "last_validation_accuracy": Figure(last.accuracy, "%", "measured"),
        "epochs": Figure(last.epoch, "", "measured"),
        "ending": Figure(trained.ending, "", "measured"),
        "start": Figure(start, "", "measured"),
    }


@dataclass(frozen=True)
class Material:
    """What a training works on: the learner, and the images to train on and to validate on."""

    learner: Twin
    images: Labelled
    held_out: Labelled


def require_classes(spec: AnyModel, data: DataSet) -> Metrics:
    """Figures about outputs that no image of the data needs. SpecError if there are too few."""
    assert not isinstance(spec, QonnxModel), "it has no such stage"
    if data.classes > spec.classes:
        raise SpecError(f"model.classes = {spec.classes}: the data set has {data.classes} classes")
    return spare_outputs(spec.classes, data.classes)


def prepare(job: Job, model: torch.nn.Module, data: DataSet, team: Team) -> Material:
    """Brings the model to the team's device, and its training images with it, encoded once."""
    spec: AnyModel = job.spec("network.model", Model)  # type: ignore[arg-type]
    assert not isinstance(spec, QonnxModel), "it has no such stage"
    contract = job.spec("network.input", InputSpec)
    training = job.spec("network.training", TrainingSpec)
    if team.size > 1:
        share_statistics(model, team.size)
    black = np.atleast_1d(-np.asarray(contract.mean) / np.asarray(contract.std))
    learner = twin(model, team.part, spec.classes, tuple(black.tolist()))
    images = encoded(learner, data.train_images, contract).to(team.device)
    labels = torch.from_numpy(data.train_labels).to(team.device)
    model.to(team.device)
    held_out, kept = split(len(labels), training.validation_share, training.seed)
    if training.batch_size > len(kept) and len(kept) % team.size:
        raise SpecError(
            f"training.batch_size = {training.batch_size}: there are only {len(kept)} images to "
            f"train on, which {team.size} processes cannot share equally"
        )
    return Material(
        learner,
        Labelled(images[kept], labels[kept]),
        Labelled(images[held_out], labels[held_out]),
    )


def encoded(learner: Twin, images: np.ndarray, contract: InputSpec) -> torch.Tensor:
    """Raw images as the learner takes them."""
    return torch.cat(
        [
            learner.encode(images_to_tensor(images[start : start + _BLOCK], contract))
            for start in range(0, len(images), _BLOCK)
        ]
    )


def of_test(test: Accuracy, data: DataSet) -> Metrics:
    """The figures of an accuracy on all test images."""
    top5 = {} if test.top5 is None else {"test_top5": Figure(test.top5, "%", "measured")}
    return {
        "test_accuracy": Figure(test.top1, "%", "measured"),
        **top5,
        "test_images": Figure(len(data.test_labels), "images", "measured"),
    }


def settle(training: TrainingSpec) -> None:
    """Fixes what decides a result beside the job: threads, random numbers, kernels."""
    torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    if training.device == "cuda":
        # as exact as on the processor, and the same in each run
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True


def split(images: int, share: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices of the images for validation and of those for training, both ascending."""
    count = round(images * share)
    if not 0 < count < images - 1:
        raise SpecError(
            f"training.validation_share = {share}: of {images} images it leaves {count} to "
            f"validate and {images - count} to train on; at least 1 and 2 are needed"
        )
    order = torch.randperm(images, generator=torch.Generator().manual_seed(seed))
    return order[:count].sort().values, order[count:].sort().values


def accuracy(model: torch.nn.Module, images: torch.Tensor, labels: np.ndarray) -> Accuracy:
    """Accuracy on images [N, C, H, W], by the module itself, in fp32 on the CPU as in export."""
    model.eval()
    wanted = torch.from_numpy(labels)
    with torch.no_grad():
        scores = torch.cat([model(block) for block in images.split(1000)])
    return share(right(scores, wanted), len(labels), scores.shape[1])
