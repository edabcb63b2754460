"""The convolutional twin against Brevitas' module: the same numbers, not nearly the same."""

from typing import Any

import pytest
import torch
from brevitas.nn import QuantLinear
from torch import Tensor, nn

from pipeline.models import build, twin
from pipeline.models.cnv import Cnv
from pipeline.models.quantisers import WeightQuantiser
from pipeline.models.twin import CnvTwin, quantise
from specs.input import InputSpec
from specs.models import CnvModel

SHAPE = (10, 9, 3)
PLAIN: dict[str, Any] = {
    "convolutions": [{"channels": 8}, {"channels": 6, "pool": 2}],
    "dense": [{"width": 12}],
}
SPECS: dict[str, dict[str, Any]] = {
    "1w1a": {**PLAIN, "weight_bits": 1, "activation_bits": 1},
    "1w2a": {**PLAIN, "weight_bits": 1, "activation_bits": 2},
    "2w2a": {**PLAIN, "weight_bits": 2, "activation_bits": 2},
    "4w1a, 5-bit input": {**PLAIN, "weight_bits": 4, "activation_bits": 1, "input_bits": 5},
    "strides, padding": {
        "convolutions": [
            {"channels": 8, "stride": 2, "padding": 1},
            {"channels": 6, "kernel": 2, "padding": 1, "pool": 3},
        ],
        "weight_bits": 3,
        "activation_bits": 4,
    },
    "bits of its own in each layer": {
        "convolutions": [
            {"channels": 8, "weight_bits": 4, "activation_bits": 1},
            {"channels": 6, "weight_bits": 2, "activation_bits": 3},
        ],
        "dense": [{"width": 12, "weight_bits": 5, "activation_bits": 2}, {"width": 7}],
        "weight_bits": 1,
        "activation_bits": 1,
        "classifier_weight_bits": 8,
    },
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def pair(name: str) -> tuple[nn.Module, CnvTwin]:
    """A module, and the twin of another one with the same parameters."""
    torch.manual_seed(0)
    spec = CnvModel.model_validate({"family": "cnv", **SPECS[name]})
    module, copy = (build(spec, InputSpec(shape=SHAPE)) for _ in range(2))
    assert isinstance(module, Cnv)
    # the module's view() of an image as a row wants planes; the twin copies there, too
    module.conv_features[-1].register_forward_hook(lambda *taken: taken[-1].contiguous())
    copy.load_state_dict(module.state_dict())
    learner = twin(copy)
    assert isinstance(learner, CnvTwin)
    return module, learner


def pixels(count: int) -> Tensor:
    """Images [N, 3, 10, 9] of values that are none of the quantiser's borders, k + 1/2 steps."""
    return torch.randint(0, 256, (count, SHAPE[2], *SHAPE[:2])) / 255


def channels_last(images: Tensor) -> Tensor:
    """The layout the twin computes in: sums in another order are other numbers."""
    return images.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", SPECS)
def test_scores_gradients_and_statistics_are_the_module_s(kind: str) -> None:
    module, learner = pair(kind)
    # a step of more than 2 bits is no power of 2: Brevitas multiplies a gradient by its size and
    # divides it again, which rounds twice
    exact = kind in ("1w1a", "1w2a", "2w2a")
    x, gradient = pixels(40), torch.randn(40, 10)
    expected = module(channels_last(x))
    expected.backward(gradient)
    found = learner.scores(learner.encode(x))
    learner.backward(found, gradient)
    assert torch.equal(found, expected)
    parameters = zip(learner.model.named_parameters(), module.parameters(), strict=True)
    for (name, ours), theirs in parameters:
        assert ours.grad is not None
        assert theirs.grad is not None
        assert theirs.grad.abs().max() > 0, name
        if exact:
            assert torch.equal(ours.grad, theirs.grad), name
        else:
            scale = theirs.grad.abs().max().item()
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-5 * scale)
    for (name, buffer), other in zip(learner.model.named_buffers(), module.buffers(), strict=True):
        assert torch.equal(buffer, other), name


@pytest.mark.parametrize("name", SPECS)
def test_evaluation_is_the_module_s(name: str) -> None:
    module, learner = pair(name)
    module(pixels(40))
    learner.model.load_state_dict(module.state_dict())
    x = pixels(20)
    learner.model.eval()
    with torch.no_grad():
        assert torch.equal(learner.scores(learner.encode(x)), module.eval()(channels_last(x)))


@pytest.mark.parametrize(("bits", "least", "most"), [(8, -128, 127), (5, -16, 15), (2, -2, 1)])
def test_images_are_encoded_as_the_input_quantiser_s_integers(
    bits: int, least: int, most: int
) -> None:
    spec = CnvModel.model_validate({"family": "cnv", **SPECS["1w1a"], "input_bits": bits})
    net = build(spec, InputSpec(shape=SHAPE))
    assert isinstance(net, Cnv)
    learner = twin(net)
    x = pixels(1200)  # more than are encoded at a time
    codes = learner.encode(x)
    assert codes.dtype == torch.int8
    assert codes.shape == x.shape
    assert [codes.min().item(), codes.max().item()] == [least, most]
    quantised = net.conv_features[0].eval()(2.0 * x - 1.0)
    assert torch.equal(codes / 2 ** (bits - 1), quantised)
    assert learner.black == least == learner.encode(torch.zeros(1, 3, 10, 9)).unique().item()
    assert learner.classes == 10


def test_a_second_step_does_not_add_to_the_gradients_of_the_first() -> None:
    _, learner = pair("1w1a")
    encoded, gradient = learner.encode(pixels(20)), torch.randn(20, 10)
    grads: list[list[Tensor]] = []
    for _ in range(2):
        learner.backward(learner.scores(encoded), gradient)
        grads.append([p.grad.clone() for p in learner.model.parameters() if p.grad is not None])
    assert len(grads[0]) == len(list(learner.model.parameters()))
    assert all(map(torch.equal, *grads))


@pytest.mark.parametrize("bits", range(1, 9))
def test_weights_of_every_width_are_quantised_to_the_same_floats(bits: int) -> None:
    torch.manual_seed(0)
    layer = QuantLinear(500, 100, bias=False, weight_quant=WeightQuantiser, weight_bit_width=bits)
    nn.init.uniform_(layer.weight, -1.2, 1.2)
    steps = 2 ** max(bits - 1, 1) - 1
    with torch.no_grad():  # half way between two values, too
        layer.weight[0, : 2 * steps] = (torch.arange(2 * steps) - steps + 0.5) / steps
    assert torch.equal(quantise(layer.weight.detach(), bits), layer.quant_weight().value)


def test_weights_are_clipped_after_a_step_and_nothing_else_is() -> None:
    _, learner = pair("2w2a")
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.copy_(torch.linspace(-3, 3, parameter.numel()).view_as(parameter))
    before = {name: value.clone() for name, value in learner.model.named_parameters()}
    learner.after_step()
    for name, after in learner.model.named_parameters():
        norm = before[name].ndim == 1
        assert torch.equal(after, before[name] if norm else before[name].clamp(-1, 1)), name
