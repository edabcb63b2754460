"""Masked networks: their twins, and the smaller networks that compute the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.models import Cut, build, load_cut, mask_parts, parts, save_cut, shrunken
from specs.input import InputSpec
from specs.models import AnyModel, CnvModel, FcModel, ResNetModel
from tests.models.test_cnv_twin import SHAPE, channels_last, pair, pixels


def networks(bits: int) -> dict[str, AnyModel]:
    widths = {"weight_bits": bits, "activation_bits": 2, "classes": 5}
    layers = [{"channels": 8, "padding": 1, "pool": 2}, {"channels": 8, "kernel": 2}]
    cnv = {"family": "cnv", "convolutions": layers, "dense": [{"width": 16}], **widths}
    found: dict[str, AnyModel] = {
        "fc": FcModel.model_validate({"hidden": [16, 16], "input_bits": 8, **widths}),
        "cnv": CnvModel.model_validate(cnv),
        "pointwise": CnvModel.model_validate(
            {**cnv, "convolutions": [layers[1], {"channels": 8, "kernel": 1}]}
        ),
    }
    if bits > 1:
        resnet = {"family": "resnet", "width": 8, "blocks": (1, 1), **widths}
        found["resnet"] = ResNetModel.model_validate(resnet)
    return found


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("family", ["fc", "cnv", "pointwise", "resnet"])
def test_the_smaller_network_computes_what_the_masked_one_does(bits: int, family: str) -> None:
    if family not in networks(bits):
        return  # residual networks have no 1-bit weights
    contract = InputSpec(shape=(8, 8, 3))
    torch.manual_seed(bits)
    model = build(networks(bits)[family], contract)
    model(torch.rand(50, 3, 8, 8))  # statistics of the norms
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    found = parts(model, contract)
    cut = Cut()
    for name, part in found.items():
        cut.masks[name] = torch.rand(part.columns) < 0.8
        if part.source is not None:
            kept = torch.arange(part.channels) % 3 != 1
            cut.kept[part.source] = kept
            cut.masks[name] &= kept[torch.arange(part.columns) % part.channels]
    mask_parts(found, cut.masks)
    smaller = shrunken(model.eval(), contract, cut)
    images = torch.rand(40, 3, 8, 8)
    with torch.no_grad():
        # in double, as sums in another order are other numbers at the border of a level
        wanted = model.double()(images.double())
        torch.testing.assert_close(smaller.double()(images.double()), wanted)
    assert sum(x.numel() for x in smaller.parameters()) < sum(x.numel() for x in model.parameters())
    assert wanted.std(0).max() > 0


def test_a_cut_is_read_as_it_was_written(tmp_path: Path) -> None:
    cut = Cut({"conv0": torch.rand(9) < 0.5, "fc0": torch.rand(4, 6) < 0.5},
              {"conv0": torch.rand(8) < 0.5})  # fmt: skip
    save_cut(cut, tmp_path)
    first = (tmp_path / "masks.npz").read_bytes()
    found = load_cut(tmp_path)
    for wanted, got in ((cut.masks, found.masks), (cut.kept, found.kept)):
        assert wanted.keys() == got.keys()
        assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    save_cut(found, tmp_path)
    assert (tmp_path / "masks.npz").read_bytes() == first


@pytest.mark.parametrize("single", [False, True], ids=["columns", "weights"])
@pytest.mark.parametrize("kind", ["1w1a", "2w2a"])
def test_a_masked_twin_is_the_masked_module(kind: str, single: bool) -> None:
    module, learner = pair(kind)
    contract = InputSpec(shape=SHAPE)
    masks = {}
    for name, part in parts(module, contract).items():
        shape = (part.rows, part.columns) if single else (part.columns,)
        masks[name] = torch.rand(shape) < 0.6
    for model in (module, learner.model):
        mask_parts(parts(model, contract), masks)
    x, gradient = pixels(40), torch.randn(40, 10)
    expected = module(channels_last(x))
    expected.backward(gradient)
    found = learner.scores(learner.encode(x))
    learner.backward(found, gradient)
    assert torch.equal(found, expected)
    pairs = zip(learner.model.named_parameters(), module.parameters(), strict=True)
    for (name, ours), theirs in pairs:
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.equal(ours.grad, theirs.grad), name
    for name, part in parts(learner.model, contract).items():
        gone = ~torch.atleast_2d(masks[name]).expand(part.rows, -1)
        assert not part.matrix(part.layer.weight.grad)[gone].any()
