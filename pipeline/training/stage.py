"""Runs one training job: from the data set's file to weights, curves and accuracies."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.data import FILE, DataSet
from pipeline.errors import SpecError
from pipeline.job import Figure, Job, Metrics
from pipeline.models import build, images_to_tensor, save_weights, twin
from pipeline.training.accuracy import Accuracy, right, share
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.curves import Curves
from pipeline.training.loop import Labelled, train
from pipeline.training.start import start_weights
from specs.network import CnvModel, FcModel, InputSpec, Model, ResNetModel, TrainingSpec

_CHECKPOINT = "checkpoint.pt"
_LAST = "last.safetensors"
_BLOCK = 5000
"""Images encoded at a time."""


def run(job: Job) -> Metrics:
    """Writes weights.safetensors (best on validation), last.safetensors, curves.csv, tensorboard/.

    A checkpoint that a cut run of the same job left is continued, to the identical result.
    SpecError: the data or the weights to start from do not suit the network; PipelineError: those
    weights cannot be had, or the loss is not finite.
    """
    spec: CnvModel | FcModel | ResNetModel = job.spec("network.model", Model)  # type: ignore[arg-type]
    contract = job.spec("network.input", InputSpec)
    training = job.spec("network.training", TrainingSpec)
    data = DataSet.read(job.inputs["data"] / FILE)
    if data.classes > spec.classes:
        raise SpecError(f"model.classes = {spec.classes}: the data set has {data.classes} classes")
    torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    model = build(spec, contract)
    start = start_weights(training.checkpoint, model, spec, contract, job.settings)
    learner = twin(model)
    images = torch.cat(
        [
            learner.encode(images_to_tensor(data.train_images[start : start + _BLOCK], contract))
            for start in range(0, len(data.train_images), _BLOCK)
        ]
    )
    labels = torch.from_numpy(data.train_labels)
    held_out, kept = split(len(labels), training.validation_share, training.seed)
    checkpoints = Checkpoints(job.folder / _CHECKPOINT)
    curves = Curves(job.folder)
    trained = train(
        learner,
        training,
        Labelled(images[kept], labels[kept]),
        Labelled(images[held_out], labels[held_out]),
        checkpoints,
        curves,
    )
    best, last = trained.best, trained.last
    save_weights(last.weights, job.folder, _LAST)
    save_weights(best.weights, job.folder)
    model.load_state_dict(best.weights)
    test = accuracy(model, images_to_tensor(data.test_images, contract), data.test_labels)
    checkpoints.remove()
    top5 = {} if test.top5 is None else {"test_top5": Figure(test.top5, "%", "measured")}
    return {
        "test_accuracy": Figure(test.top1, "%", "measured"),
        **top5,
        "validation_accuracy": Figure(best.accuracy, "%", "measured"),
        "best_epoch": Figure(best.epoch, "", "measured"),
        "last_validation_accuracy": Figure(last.accuracy, "%", "measured"),
        "epochs": Figure(last.epoch, "", "measured"),
        "ending": Figure(trained.ending, "", "measured"),
        "start": Figure(start, "", "measured"),
        "test_images": Figure(len(data.test_labels), "images", "measured"),
    }


def split(images: int, share: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices of the images held out for validation and of those to train on, both ascending."""
    count = round(images * share)
    if not 0 < count < images - 1:
        raise SpecError(
            f"training.validation_share = {share}: of {images} images it leaves {count} to "
            f"validate and {images - count} to train on; at least 1 and 2 are needed"
        )
    order = torch.randperm(images, generator=torch.Generator().manual_seed(seed))
    return order[:count].sort().values, order[count:].sort().values


def accuracy(model: torch.nn.Module, images: torch.Tensor, labels: np.ndarray) -> Accuracy:
    """Of images [N, C, H, W]; by the module itself, in fp32 on the processor, as in export."""
    model.eval()
    wanted = torch.from_numpy(labels)
    with torch.no_grad():
        scores = torch.cat([model(block) for block in images.split(1000)])
    return share(right(scores, wanted), len(labels), scores.shape[1])
