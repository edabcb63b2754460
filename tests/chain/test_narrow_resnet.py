"""A narrow ResNet from its spec to RTL: equal to Brevitas, to FINN and to itself at each level."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from qonnx.core.modelwrapper import ModelWrapper

from pipeline import fifos
from pipeline.engines.open import ENGINE, costs
from pipeline.errors import VerificationError
from pipeline.export.stage import to_qonnx
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.models import build
from pipeline.streamlining import finn
from pipeline.streamlining.graph import Streamlined, hardware_graph
from pipeline.streamlining.proof import compare_with_logits
from pipeline.verification.mutants import kinds, mutants
from specs.input import InputSpec
from specs.models import ResNetModel
from tests.rtl import designs

SPEC = ResNetModel(
    family="resnet", width=4, blocks=(1, 1), classes=5, weight_bits=4, activation_bits=4
)
CONTRACT = InputSpec(shape=(8, 8, 3))
LARGEST_TILE = 256
"""PE x SIMD x weight bits x activation bits of a layer: what compiles in a second or two."""


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (32, *CONTRACT.shape), np.uint8)


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    """Random weights, batch norms that have seen data and rise or fall."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    made = build(SPEC, CONTRACT).train()
    with torch.no_grad():
        for _ in range(20):
            made(torch.rand(50, 3, 8, 8))
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.5)
                module.weight[1] *= -1
    return made.eval()


@pytest.fixture(scope="module")
def streamlined(
    model: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Streamlined, ModelWrapper]:
    path = tmp_path_factory.mktemp("resnet") / "model.onnx"
    qonnx = to_qonnx(model, torch.rand(1, 3, 8, 8), path)
    return hardware_graph(qonnx, "narrow", CONTRACT, "label"), qonnx


def test_it_is_what_brevitas_and_finn_compute(
    model: torch.nn.Module,
    streamlined: tuple[Streamlined, ModelWrapper],
    finn_work: Path,
    images: np.ndarray,
    tmp_path: Path,
) -> None:
    found, qonnx = streamlined
    graph = found.graph
    planes = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float()
    with torch.no_grad():
        logits = model(planes * CONTRACT.scale).numpy()
    assert len(np.unique(compare_with_logits(found, qonnx, images, logits).classes)) > 1
    dataflow = finn.dataflow(graph)
    finn.compare(graph, dataflow, images[:4])
    assert [layer.id for layer in graph.layers if layer.kind in ("mvau", "fork", "add")] == [
        "conv0",
        "block0_fork", "block0_conv0", "block0_conv1", "block0_sum",
        "block1_fork", "block1_conv0", "block1_conv1", "block1_shortcut_conv0", "block1_sum",
        "fc0",
    ]  # fmt: skip
    hardware.save(graph, tmp_path)
    again = hardware.load(tmp_path)
    designs.require_same(graph, again, images[:4])
    graph.layer("block1_shortcut_conv0").weights[2] *= -1  # type: ignore[attr-defined]
    with pytest.raises(VerificationError, match="layer block1_shortcut_conv0"):
        finn.compare(graph, dataflow, images[:4])
    graph.layer("block1_shortcut_conv0").weights[2] *= -1  # type: ignore[attr-defined]


def random_folding(graph: HardwareGraph, seed: int) -> Folding:
    """Any legal fold of each layer that compiles fast and is not among its slowest."""
    draw = random.Random(seed)
    folding = {}
    for layer in graph.layers:
        source, target = graph.edges[layer.input], graph.edges[layer.output]
        bits = source.dtype.bits * (layer.weight_dtype.bits if layer.kind == "mvau" else 1)  # type: ignore[attr-defined]
        options = costs.options(layer, source, target)
        small = [o for o in options if o.fold.pe * o.fold.simd * bits <= LARGEST_TILE]
        fast = [o for o in small if o.cycles <= 4000]
        folding[layer.id] = draw.choice(fast or small or options[:1]).fold
    return folding


def test_its_rtl_is_bit_exact_and_catches_mutants(
    streamlined: tuple[Streamlined, ModelWrapper], images: np.ndarray, tmp_path: Path, cache: Path
) -> None:
    graph = streamlined[0].graph
    folding = random_folding(graph, 1)
    depths, ii = fifos.size(graph, folding, images, tmp_path / "fifos", cache, ENGINE)
    accelerator = designs.build(graph, folding, tmp_path / "rtl", cache, depths)
    result = designs.require_exact(accelerator, graph, images)
    assert result.interval() == ii == max(accelerator.design.cycles.values())
    for stalls in designs.STALLS[1:]:
        designs.require_exact(accelerator, graph, images[:6], stalls)
    found = list(mutants(graph, folding, result.streams))
    wanted = {(x.id, kind) for x in graph.layers for kind in kinds(x, folding[x.id])}
    assert {(mutant.layer, mutant.kind) for mutant in found} == wanted
    for mutant in found[:: len(found) // 5]:
        memories = tmp_path / mutant.layer / mutant.kind
        designs.require_caught(accelerator, graph, folding, mutant, images, memories)
