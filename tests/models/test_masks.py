"""A mask prunes any weights, in a module, in its copies and in its QONNX export."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.export.stage import to_qonnx
from pipeline.export.verify import execute
from pipeline.models.cnv import Cnv
from pipeline.models.masks import MASKABLE, mask_of, set_mask
from specs.models import CnvModel, ConvLayer


def network(bits: int) -> tuple[Cnv, list[Any]]:
    torch.manual_seed(bits)
    convolutions = (ConvLayer(channels=4), ConvLayer(channels=6))
    spec = CnvModel(
        family="cnv", convolutions=convolutions, weight_bits=bits, activation_bits=2, classes=3
    )
    model = Cnv(spec, (7, 7, 2))
    model.eval()
    layers = [*model.conv_features, *model.linear_features]
    return model, [layer for layer in layers if isinstance(layer, MASKABLE)]


def draw(layer: Any, columns: bool) -> torch.Tensor:
    shape = layer.weight.shape
    return torch.randint(2, (1, *shape[1:]) if columns else shape).float()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("columns", [True, False], ids=["columns", "weights"])
def test_the_module_and_its_qonnx_lack_the_same_weights(
    tmp_path: Path, bits: int, columns: bool
) -> None:
    model, layers = network(bits)
    x = torch.rand(5, 2, 7, 7)
    with torch.no_grad():
        whole = model(x)
        for layer in layers:
            set_mask(layer, draw(layer, columns))
        pruned = model(x)
        assert not torch.equal(whole, pruned)
        assert torch.equal(copy.deepcopy(model)(x), pruned)
    graph = to_qonnx(model, x[:1], tmp_path / "model.onnx")
    assert [node.op_type for node in graph.graph.node].count("Mul") >= len(layers)
    assert torch.allclose(torch.from_numpy(execute(graph, x.numpy(), 5)), pruned, atol=1e-5)


def test_a_weight_without_mask_is_as_it_was() -> None:
    model, layers = network(2)
    x = torch.rand(2, 2, 7, 7)
    with torch.no_grad():
        whole = model(x)
        set_mask(layers[0], torch.ones(1, 2, 3, 3))
        assert torch.equal(model(x), whole)
    assert mask_of(layers[0]) is not None
    assert mask_of(layers[1]) is None


@pytest.mark.parametrize(
    "mask", [torch.ones(4), torch.ones(2, 2, 3, 3), torch.full((1, 2, 3, 3), 2.0)]
)
def test_no_other_mask(mask: torch.Tensor) -> None:
    _, layers = network(2)
    with pytest.raises(ValueError, match="a mask"):
        set_mask(layers[0], mask)
