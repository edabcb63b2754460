"""Runs one outline job: the hardware graph of the network before it is trained."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.data.inputs import draw, planes
from pipeline.export.stage import to_qonnx
from pipeline.hardware import graph as hardware
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.models import Cut, build_of, mask_parts, parts, shrunken
from pipeline.outline import PRUNED
from pipeline.pruning.blocks import targets
from pipeline.pruning.choice import choose
from pipeline.pruning.removal import removable
from pipeline.qonnx.clean import without_tail
from pipeline.qonnx.support import require_supported
from pipeline.streamlining.graph import hardware_graph
from specs.input import InputSpec
from specs.network import Output
from specs.pruning import PruningSpec

SEED = 1
IMAGES = 16
"""Random inputs from which batch norms and quantisers get their first statistics."""


def run(job: Job) -> Metrics:
    """Writes hardware.json and hardware.npz of the untrained network.

    Its structure is that of the trained one; its weights and thresholds are not. A network that is
    pruned also has a folder `pruned` with the graph after that: as much is taken out as will be,
    but which columns and channels depends on the trained weights.

    Raises the PipelineError that `prune`, `export` or `streamline` would raise after training.
    """
    contract = job.spec("network.input", InputSpec)
    pruning: PruningSpec | None = job.spec("network.pruning", PruningSpec | None)  # type: ignore[arg-type]
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    progress("building the untrained module")
    model = build_of(job)
    images = torch.from_numpy(planes(draw(contract, IMAGES), contract))
    settle(model, images)
    progress("its hardware graph", 0.3)
    graph = _graph(job, model, images[:1])
    hardware.save(graph, job.folder)
    if pruning is not None:
        progress("pruning it", 0.6)
        folder = job.folder / PRUNED
        folder.mkdir(exist_ok=True)
        graph = _graph(job, _pruned(model, pruning, contract), images[:1])
        hardware.save(graph, folder)
    return {"layers": Figure(len(graph.layers), "", "measured")}


def _graph(job: Job, model: nn.Module, image: torch.Tensor) -> HardwareGraph:
    output: Output = job.spec("network.output", Output)  # type: ignore[arg-type]
    contract, name = job.spec("network.input", InputSpec), job.spec("network.name", str)
    with job.scratch() as work:
        exported, _ = without_tail(to_qonnx(model, image, work / "model.onnx"))
        require_supported(exported, "the network")
        return hardware_graph(exported, name, contract, output).graph


def _pruned(model: nn.Module, pruning: PruningSpec, contract: InputSpec) -> nn.Module:
    """The module as `prune` leaves it after its last round, but for fine-tuning."""
    found = parts(model, contract)
    masks = choose(pruning, targets(pruning, found), {})
    mask_parts(found, masks)
    return shrunken(model, contract, Cut(masks, removable(pruning, found, masks)))


def settle(model: nn.Module, images: torch.Tensor) -> None:
    """Gives batch norms and quantisers the statistics of one step, as training does first.

    Without them all scales are the same constant, and scales that must not differ would not.
    """
    model.train()
    with torch.no_grad():
        model(images)
    model.eval()
