"""Runs one export job: writes the trained weights as QONNX, with Brevitas' own outputs."""

from __future__ import annotations

import traceback
from pathlib import Path

import brevitas.config
import numpy as np
import torch
from brevitas.export import export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from torch import nn

from pipeline.data import FILE, DataSet
from pipeline.errors import PipelineError
from pipeline.export.files import LABELS, LOGITS, MODEL
from pipeline.export.pruned import same_without_channels
from pipeline.export.rounding import execute_along
from pipeline.export.verify import TOLERANCE, compare, differing, execute
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.models import images_to_tensor, trained, whole
from pipeline.models.resnet import ResNet
from pipeline.qonnx.clean import clean, without_tail
from specs.input import InputSpec

_BLOCK, _SMALL_BLOCK = 1000, 50
"""Images computed at a time; QONNX keeps every tensor of them, 15 MB for one image of ResNet18."""


def run(job: Job) -> Metrics:
    """Writes model.onnx (input [1, C, H, W] float32), logits.npy and labels.npy.

    logits: float32 [N, classes] of Brevitas on all test images; of QONNX where rounding sets the
    two apart. labels: int64 [N], Brevitas' top-1.
    A pruned network is exported without the channels that it lost, and must give what the masked
    one gives (see `pruned`).
    Raises VerificationError unless QONNX gives every label and, within TOLERANCE, every logit of
    Brevitas. Images for which it does not are executed again from Brevitas' activations, see
    `rounding`. Then `equal` and `accuracy` are from the first execution, and `rounded_apart` and
    `rounded_values` say what the second one found.
    """
    contract = job.spec("network.input", InputSpec)
    torch.set_num_threads(1)  # float sums in the same order on every machine of a kind
    model = trained(job)
    data = DataSet.read(job.inputs["data"] / FILE)
    images = images_to_tensor(data.test_images, contract)
    block = _SMALL_BLOCK if isinstance(model, ResNet) else _BLOCK
    progress("exporting QONNX", 0.1)
    graph = to_qonnx(model, images[:1], job.folder / MODEL)
    with torch.no_grad():
        logits = torch.cat([model(part) for part in images.split(block)]).numpy()
    pruned = {}
    if "prune" in job.inputs:
        pruned = same_without_channels(whole(job), model, images, logits, block)
    progress(f"executing QONNX on {len(images):,} test images", 0.4)
    found = execute(graph, images.numpy(), block)
    proved, rounding = found.copy(), {}
    apart = differing(logits, found)
    if apart.any():
        proved[apart], values = execute_along(model, graph, images.numpy()[apart], _SMALL_BLOCK)
        rounding = {
            "rounded_apart": Figure(int(apart.sum()), "images", "measured"),
            "rounded_values": Figure(values, "activations", "measured"),
        }
    difference = compare(logits, proved)
    labels = logits.argmax(axis=1).astype(np.int64)
    graph, dropped = without_tail(graph)
    if dropped:  # a softmax, which no accelerator needs
        graph.save(str(job.folder / MODEL))
        logits = found = execute(graph, images.numpy(), block)
    np.save(job.folder / LOGITS, np.where(apart[:, None], found, logits))
    np.save(job.folder / LABELS, labels)
    return {
        "images": Figure(len(images), "images", "measured"),
        "equal": Figure(int((found.argmax(axis=1) == labels).sum()), "labels", "measured"),
        "difference": Figure(difference, "", "measured"),
        "tolerance": Figure(TOLERANCE, "", "measured"),
        "accuracy": Figure(
            100.0 * float((found.argmax(axis=1) == data.test_labels).mean()), "%", "measured"
        ),
        "dropped": Figure(", ".join(dropped) or "nothing", "", "measured"),
        **rounding,
        **pruned,
    }


def to_qonnx(model: nn.Module, example: torch.Tensor, path: Path) -> ModelWrapper:
    """Writes `model` as QONNX, for inputs of the shape of `example` [1, C, H, W], and returns it.

    It is cleaned: constants folded and nodes named, so that the same weights give the same bytes.
    PipelineError: the module has something that ONNX cannot express.
    """
    if brevitas.config.JIT_ENABLED:
        raise PipelineError("QONNX export needs Brevitas without its JIT: unset BREVITAS_JIT")
    # dynamo's exporter is noisy, leaves a stale .data file and fails on residual networks
    try:
        export_qonnx(model, example, str(path), dynamo=False)
    except Exception as error:  # noqa: BLE001 - torch's exporter raises anything
        traceback.print_exc()
        raise PipelineError(
            f"torch cannot export the network to QONNX: {str(error).partition(chr(10))[0]}; the "
            "whole traceback is in the stage's log. Use layers of torch.nn and brevitas.nn, and no "
            "operators beside those that ONNX knows"
        ) from None
    graph = clean(ModelWrapper(str(path)))
    graph.save(str(path))
    return graph
