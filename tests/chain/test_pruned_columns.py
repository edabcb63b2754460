"""Networks without some of their columns: torch, QONNX, reference and RTL are equal."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.data.inputs import planes
from pipeline.engines.open import costs
from pipeline.errors import PipelineError
from pipeline.export.stage import to_qonnx
from pipeline.hardware import reference
from pipeline.hardware.layers import Mvau, Select, SlidingWindow
from pipeline.models.masks import MASKABLE, set_mask
from pipeline.simulation.model import Stalls
from pipeline.streamlining.dialect import lacks_columns, written
from pipeline.streamlining.graph import Streamlined, hardware_graph
from pipeline.streamlining.proof import compare_with_logits
from pipeline.verification.mutants import mutants
from specs.input import InputSpec
from specs.models import CnvModel, FcModel
from tests.chain.test_random_networks import random_folding, trained
from tests.rtl import designs

MOST_MUTANTS = 6


def convolutional(bits: tuple[int, int, int], padding: int) -> CnvModel:
    convolutions = [
        {"channels": 4, "kernel": 3, "stride": 1, "padding": padding},
        {"channels": 6, "kernel": 3, "stride": 2},
        {"channels": 4, "kernel": 1},
    ]
    return CnvModel.model_validate(
        {
            "family": "cnv",
            "convolutions": convolutions,
            "dense": [{"width": 8}],
            "classes": 5,
            "weight_bits": bits[0],
            "activation_bits": bits[1],
            "input_bits": bits[2],
        }
    )


def dense(bits: tuple[int, int, int]) -> FcModel:
    return FcModel(
        hidden=(16, 12),
        classes=5,
        weight_bits=bits[0],
        activation_bits=bits[1],
        input_bits=bits[2],
    )


NETWORKS: dict[str, tuple[FcModel | CnvModel, InputSpec, int]] = {
    # the last one is how many neighbours are kept or masked together
    "dense, 1 bit": (dense((1, 1, 1)), InputSpec(shape=(6, 5, 1)), 1),
    "dense, mixed": (dense((1, 2, 8)), InputSpec(shape=(4, 3, 3), mean=0.3, std=0.6), 3),
    "dense, 4 bits": (dense((4, 3, 8)), InputSpec(shape=(6, 5, 1)), 2),
    "windows, 1 bit": (convolutional((1, 1, 2), 0), InputSpec(shape=(9, 8, 3)), 1),
    "windows, 2 bits": (convolutional((2, 2, 8), 1), InputSpec(shape=(9, 8, 3)), 1),
    "blocks of windows, 1 bit": (convolutional((1, 1, 8), 0), InputSpec(shape=(9, 9, 2)), 2),
    "blocks of windows, 3 bits": (convolutional((3, 4, 8), 1), InputSpec(shape=(8, 9, 4)), 2),
}


def mask_columns(model: torch.nn.Module, block: int, seed: int) -> list[torch.Tensor]:
    """Masks about half of the blocks of each layer's columns, in the order of its windows."""
    rng, masks = np.random.default_rng(seed), []
    for layer in (module for module in model.modules() if isinstance(module, MASKABLE)):
        _, channels, *kernel = layer.weight.shape
        step = block if channels % block == 0 else 1
        kept = rng.random(int(np.prod([channels, *kernel])) // step) < 0.5
        kept[0], kept[-1] = True, False
        stream = np.repeat(kept, step).reshape(*kernel, channels)
        mask = torch.from_numpy(np.moveaxis(stream, -1, 0).copy())[None].to(layer.weight.dtype)
        set_mask(layer, mask)
        masks.append(mask)
    return masks


def streamlined(model: torch.nn.Module, contract: InputSpec, work: Path) -> tuple[Streamlined, Any]:
    height, width, channels = contract.shape
    qonnx = to_qonnx(model, torch.rand(1, channels, height, width), work / "model.onnx")
    return hardware_graph(qonnx, "net", contract, "label"), qonnx


@pytest.mark.parametrize("name", NETWORKS)
def test_masked_torch_equals_the_rtl(name: str, tmp_path: Path, cache: Path) -> None:
    spec, contract, block = NETWORKS[name]
    seed = len(name)
    model = trained(spec, contract, seed)
    masks = mask_columns(model, block, seed)
    found, qonnx = streamlined(model, contract, tmp_path)
    graph = found.graph
    units = [layer for layer in graph.layers if isinstance(layer, Mvau)]
    assert [unit.mw for unit in units] == [int(mask.sum()) for mask in masks]
    if spec.weight_bits == spec.activation_bits == 1:
        assert all(unit.popcount for unit in units[1:]), "1-bit layers stay 1-bit layers"
    images = np.random.default_rng(seed).integers(0, 256, (48, *contract.shape), np.uint8)
    with torch.no_grad():
        logits = model(torch.from_numpy(planes(images, contract))).numpy()
    assert np.ptp(logits) > 0
    compare_with_logits(found, qonnx, images, logits)
    folding = random_folding(graph, random.Random(seed))
    windows = [x for x in graph.layers if isinstance(x, SlidingWindow)]
    for number, layer in enumerate(windows):  # a whole window a beat, then the widest part of one
        options = costs.options(layer, graph.edges[layer.input], graph.edges[layer.output])
        folds = [x.fold for x in options if (x.fold.pe != x.fold.simd) == (number == 0)]
        folding[layer.id] = folds[-1]
    accelerator = designs.build(graph, folding, tmp_path / "rtl", cache)
    for stalls in (None, Stalls(seed=seed)):
        designs.require_exact(accelerator, graph, images[:10], stalls)
    streams = {graph.source.id: images, **reference.run(graph, images)}
    caught = [x for x in mutants(graph, folding, streams) if x.kind == "column"]
    assert caught or not [x for x in graph.layers if isinstance(x, Select)]
    for number, mutant in enumerate(caught[:MOST_MUTANTS]):
        work = tmp_path / f"mutant{number}"
        designs.require_caught(accelerator, graph, folding, mutant, images, work)


def test_finn_has_no_words_for_columns_that_are_left_out(tmp_path: Path) -> None:
    spec, contract, block = NETWORKS["windows, 2 bits"]
    model = trained(spec, contract, 1)
    whole, _ = streamlined(model, contract, tmp_path)
    assert lacks_columns(whole.graph) is None
    mask_columns(model, block, 1)
    graph = streamlined(model, contract, tmp_path)[0].graph
    told = "no dataflow graph for FINN: conv0_swg, conv1_swg, conv2_swg, fc0_select, fc1_select: "
    with pytest.raises(PipelineError, match=told):
        written(graph)


def test_a_mask_of_all_weights_is_refused(tmp_path: Path) -> None:
    spec, contract, _ = NETWORKS["dense, 1 bit"]
    model = trained(spec, contract, 1)
    layer = [module for module in model.modules() if isinstance(module, MASKABLE)][1]
    set_mask(layer, torch.zeros(1, layer.weight.shape[1]))
    with pytest.raises(PipelineError, match=r"MatMul.*: its mask leaves none of its weights"):
        streamlined(model, contract, tmp_path)
