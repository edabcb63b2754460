"""Networks without some of their weights: equal at each level, zeros where the masks are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.hardware.layers import Mvau
from pipeline.models.masks import MASKABLE, set_mask
from pipeline.streamlining import finn
from pipeline.streamlining.proof import compare_with_logits
from tests.streamlining.test_streamlining import CONTRACTS, network, streamlined


@pytest.mark.parametrize("bits", [(1, 1, 1), (1, 2, 2), (2, 2, 2), (4, 3, 8)])
def test_masks_of_single_weights_become_zeros(
    finn_work: Path, tmp_path: Path, bits: tuple[int, int, int]
) -> None:
    contract = CONTRACTS["grey"]
    model = network(bits, contract, (16, 12))
    layers = [module for module in model.modules() if isinstance(module, MASKABLE)]
    generator = torch.Generator().manual_seed(1)
    masks = [(torch.rand(layer.weight.shape, generator=generator) < 0.6) * 1.0 for layer in layers]
    for layer, mask in zip(layers, masks, strict=True):
        set_mask(layer, mask)
    found, qonnx = streamlined(model, contract, tmp_path)
    units = [layer for layer in found.graph.layers if isinstance(layer, Mvau)]
    for unit, mask in zip(units, masks, strict=True):
        assert np.all(unit.weights[mask.numpy() == 0] == 0)
        if bits[0] == 1:
            assert np.all(np.abs(unit.weights) == mask.numpy())
            assert (unit.weight_dtype.name, unit.popcount) == ("INT2", False)
    images = np.random.default_rng(7).integers(0, 256, (200, *contract.shape), np.uint8)
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float()
    with torch.no_grad():
        logits = model(x * contract.scale).numpy()
    proof = compare_with_logits(found, qonnx, images, logits)
    assert len(np.unique(proof.classes)) >= 2
    finn.compare(found.graph, finn.dataflow(found.graph), images[:8])
