"""Runs one export job: weights in, QONNX and Brevitas' own answers out."""

from __future__ import annotations

from pathlib import Path

import brevitas.config
import numpy as np
import torch
from brevitas.export import export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.cleanup import cleanup_model
from torch import nn

from pipeline.data import FILE, DataSet
from pipeline.errors import PipelineError
from pipeline.export.files import LABELS, LOGITS, MODEL
from pipeline.export.verify import TOLERANCE, compare, execute
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.models import build, images_to_tensor, load_weights
from specs.network import AnyModel, FactoryModel, InputSpec, Model

_BLOCK = 1000
"""Images computed at a time."""


def run(job: Job) -> Metrics:
    """Writes model.onnx (input [1, C, H, W] float32), logits.npy and labels.npy.

    logits: float32 [N, classes] of Brevitas on all test images; labels: int64 [N], its top-1.
    Raises VerificationError unless QONNX execution gives every label and, within TOLERANCE, every
    logit of Brevitas.
    """
    contract = job.spec("network.input", InputSpec)
    torch.set_num_threads(1)  # float sums in the same order on every machine of a kind
    spec: AnyModel = job.spec("network.model", Model)  # type: ignore[arg-type]
    own = job.own_file(spec.file) if isinstance(spec, FactoryModel) else None
    model = build(spec, contract, own)
    load_weights(model, job.inputs["train"])
    data = DataSet.read(job.inputs["data"] / FILE)
    images = images_to_tensor(data.test_images, contract)
    progress("exporting QONNX", 0.1)
    graph = to_qonnx(model, images[:1], job.folder / MODEL)
    with torch.no_grad():
        logits = torch.cat([model(block) for block in images.split(_BLOCK)]).numpy()
    progress(f"executing QONNX on {len(images):,} test images", 0.4)
    found = execute(graph, images.numpy(), _BLOCK)
    difference = compare(logits, found)
    labels = logits.argmax(axis=1).astype(np.int64)
    np.save(job.folder / LOGITS, logits)
    np.save(job.folder / LABELS, labels)
    return {
        "images": Figure(len(images), "images", "measured"),
        "equal": Figure(int((found.argmax(axis=1) == labels).sum()), "labels", "measured"),
        "difference": Figure(difference, "", "measured"),
        "tolerance": Figure(TOLERANCE, "", "measured"),
        "accuracy": Figure(
            100.0 * float((found.argmax(axis=1) == data.test_labels).mean()), "%", "measured"
        ),
    }


def to_qonnx(model: nn.Module, example: torch.Tensor, path: Path) -> ModelWrapper:
    """Writes `model` as QONNX with the input's shape of `example` [1, C, H, W], and returns it.

    Constants folded and nodes named, so that the same weights give the same bytes.
    """
    if brevitas.config.JIT_ENABLED:
        raise PipelineError("QONNX export needs Brevitas without its JIT: unset BREVITAS_JIT")
    # dynamo's exporter is noisy, leaves a stale .data file and fails on residual networks
    export_qonnx(model, example, str(path), dynamo=False)
    graph = cleanup_model(ModelWrapper(str(path)))
    graph.save(str(path))
    return graph
