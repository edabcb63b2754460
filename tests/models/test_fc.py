import numpy as np
import pytest
import torch
from brevitas_examples.bnn_pynq.models import model_with_cfg  # type: ignore[import-untyped]
from brevitas_examples.bnn_pynq.models.tensor_norm import (  # type: ignore[import-untyped]
    TensorNorm as PublishedNorm,
)

from pipeline.models import build, images_to_tensor
from pipeline.models.fc import Fc
from pipeline.models.tensor_norm import TensorNorm
from specs.input import InputSpec
from specs.models import FcModel

WIDTHS = {"TFC": 64, "SFC": 256, "LFC": 1024}
BITS = {"1W1A": (1, 1, 1), "1W2A": (1, 2, 2), "2W2A": (2, 2, 2)}
PUBLISHED = [f"{size}_{bits}" for size in WIDTHS for bits in BITS if f"{size}_{bits}" != "LFC_2W2A"]


def model(weight: int, activation: int, inputs: int, **fields: object) -> FcModel:
    bits = {"weight_bits": weight, "activation_bits": activation, "input_bits": inputs}
    return FcModel.model_validate({"hidden": (64, 64, 64), **bits, **fields})


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_load_and_give_the_same_logits(name: str) -> None:
    torch.manual_seed(0)
    published, _ = model_with_cfg(name, pretrained=False)
    for _ in range(3):  # batch statistics that are not the initial ones
        published(torch.rand(50, 1, 28, 28))
    size, bits = name.split("_")
    ours = build(model(*BITS[bits], hidden=3 * (WIDTHS[size],)), InputSpec())
    shapes = {key: value.shape for key, value in ours.state_dict().items()}
    assert shapes == {key: value.shape for key, value in published.state_dict().items()}
    ours.load_state_dict(published.state_dict())
    published.load_state_dict(ours.state_dict())
    x = torch.rand(200, 1, 28, 28)
    assert torch.equal(ours.eval()(x), published.eval()(x))


def test_tensor_norm_trains_as_the_published_one() -> None:
    ours, published = TensorNorm(), PublishedNorm()
    for _ in range(5):
        x = 3 * torch.randn(5, 2) + 7
        torch.testing.assert_close(ours(x), published(x))
    torch.testing.assert_close(ours.state_dict(), published.state_dict())
    torch.testing.assert_close(ours.eval()(x), published.eval()(x))


def test_any_widths_depth_and_input_shape() -> None:
    spec = model(1, 2, 2, hidden=(5,), classes=3)
    contract = InputSpec(shape=(4, 6, 2))
    net = build(spec, contract)
    assert isinstance(net, Fc)
    assert [tuple(layer.weight.shape) for layer in net.linears()] == [(5, 48), (3, 5)]
    assert net.eval()(torch.rand(7, 2, 4, 6)).shape == (7, 3)


def test_weights_start_uniform_within_the_range() -> None:
    net = build(model(2, 2, 2), InputSpec())
    assert isinstance(net, Fc)
    weight = net.linears()[0].weight
    assert weight.abs().max() <= 1
    assert abs(weight.var().item() - 1 / 3) < 0.01


def test_images_become_planes_scaled_by_the_contract() -> None:
    raw = np.arange(2 * 2 * 3 * 2, dtype=np.uint8).reshape(2, 2, 3, 2)
    x = images_to_tensor(raw, InputSpec(shape=(2, 3, 2), scale=0.5))
    assert x.shape == (2, 2, 2, 3)
    assert x.is_contiguous()
    assert x[1, 1, 0, 2] == raw[1, 0, 2, 1] / 2
