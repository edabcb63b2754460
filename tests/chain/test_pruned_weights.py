"""From a network without half its single weights to the netlist that the fold search chooses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.engines.open import costs
from pipeline.engines.space import Budget
from pipeline.folding import search
from pipeline.hardware import reference
from pipeline.hardware.fold import is_unrolled
from pipeline.hardware.layers import Mvau
from pipeline.models.masks import MASKABLE, set_mask
from pipeline.streamlining.proof import compare_with_logits
from pipeline.verification.mutants import mutants
from tests.rtl import designs
from tests.streamlining.test_streamlining import CONTRACTS, network, streamlined

LARGE = Budget(50_000, 200, 1024)


@pytest.mark.parametrize("bits", [(1, 1, 1), (2, 2, 2)])
def test_torch_equals_the_rtl_of_the_fastest_fold(
    tmp_path: Path, cache: Path, bits: tuple[int, int, int]
) -> None:
    contract = CONTRACTS["grey"]
    model = network(bits, contract, (16, 12))
    whole = streamlined(model, contract, tmp_path)[0].graph
    generator = torch.Generator().manual_seed(1)
    for layer in (module for module in model.modules() if isinstance(module, MASKABLE)):
        set_mask(layer, (torch.rand(layer.weight.shape, generator=generator) < 0.5) * 1.0)
    found, qonnx = streamlined(model, contract, tmp_path)
    images = np.random.default_rng(7).integers(0, 256, (60, *contract.shape), np.uint8)
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float()
    with torch.no_grad():
        compare_with_logits(found, qonnx, images, model(x * contract.scale).numpy())
    graph, space = found.graph, costs.space(found.graph)
    solution, _ = search(space, LARGE, LARGE, 100.0, None)
    folding = {x: option.fold for x, option in zip(space.layers, solution.choice, strict=True)}
    units = [layer for layer in graph.layers if isinstance(layer, Mvau)]
    assert solution.ii == 1
    assert all(is_unrolled(unit, folding[unit.id]) for unit in units)
    dense, _ = search(costs.space(whole), LARGE, LARGE, 100.0, None)
    assert solution.lut < 0.8 * dense.lut
    accelerator = designs.build(graph, folding, tmp_path / "rtl", cache)
    designs.require_exact(accelerator, graph, images)
    for number, mutant in enumerate(mutants(graph, folding, reference.run(graph, images))):
        memories = tmp_path / f"mutant{number}"
        designs.require_caught(accelerator, graph, folding, mutant, images, memories)
