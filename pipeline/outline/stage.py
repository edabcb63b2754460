"""Runs one outline job: the hardware graph of the network before it is trained."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.data.inputs import draw, planes
from pipeline.export.stage import to_qonnx
from pipeline.hardware import graph as hardware
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.models import build_of
from pipeline.qonnx.clean import without_tail
from pipeline.qonnx.support import require_supported
from pipeline.streamlining.graph import hardware_graph
from specs.input import InputSpec
from specs.network import Output

SEED = 1
IMAGES = 16
"""Random inputs from which batch norms and quantisers get their first statistics."""


def run(job: Job) -> Metrics:
    """Writes hardware.json and hardware.npz of the untrained network.

    Its structure is that of the trained one; its weights and thresholds are not. Raises the
    PipelineError that `export` or `streamline` would raise after training.
    """
    contract = job.spec("network.input", InputSpec)
    output: Output = job.spec("network.output", Output)  # type: ignore[arg-type]
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    progress("building the untrained module")
    model = build_of(job)
    images = torch.from_numpy(planes(draw(contract, IMAGES), contract))
    settle(model, images)
    progress("exporting it", 0.3)
    with job.scratch() as work:
        exported, _ = without_tail(to_qonnx(model, images[:1], work / "model.onnx"))
        require_supported(exported, "the network")
        progress("its hardware graph", 0.6)
        graph = hardware_graph(exported, job.spec("network.name", str), contract, output).graph
    hardware.save(graph, job.folder)
    return {"layers": Figure(len(graph.layers), "", "measured")}


def settle(model: nn.Module, images: torch.Tensor) -> None:
    """Gives batch norms and quantisers the statistics of one step, as training does first.

    Without them all scales are the same constant, and scales that must not differ would not.
    """
    model.train()
    with torch.no_grad():
        model(images)
    model.eval()
