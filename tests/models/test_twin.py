"""The twin against Brevitas' module: the same numbers, not nearly the same."""

import pytest
import torch
from torch import Tensor, nn

from pipeline.models import build, twin
from pipeline.models.twin import FcTwin, quantise
from specs.input import InputSpec
from specs.models import FcModel

BITS = [(1, 1, 1), (1, 2, 2), (2, 2, 2), (1, 1, 2), (1, 2, 1)]


def pair(bits: tuple[int, int, int], dropout: float = 0.0) -> tuple[nn.Module, FcTwin]:
    """A module, and the twin of another one with the same parameters."""
    torch.manual_seed(0)
    spec = FcModel(
        hidden=(40, 30),
        weight_bits=bits[0],
        activation_bits=bits[1],
        input_bits=bits[2],
        dropout=dropout,
    )
    contract = InputSpec(shape=(8, 8, 1))
    module, copy = build(spec, contract), build(spec, contract)
    copy.load_state_dict(module.state_dict())
    learner = twin(copy)
    assert isinstance(learner, FcTwin)
    return module, learner


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("bits", BITS)
def test_scores_gradients_and_statistics_are_the_module_s(bits: tuple[int, int, int]) -> None:
    module, learner = pair(bits)
    x, gradient = torch.rand(100, 1, 8, 8), torch.randn(100, 10)
    expected = module(x)
    expected.backward(gradient)
    found = learner.scores(learner.encode(x))
    learner.backward(found, gradient)
    assert torch.equal(found, expected)
    for (name, ours), theirs in zip(
        learner.model.named_parameters(), module.parameters(), strict=True
    ):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert theirs.grad.abs().max() > 0, name
        assert torch.equal(ours.grad, theirs.grad), name
    for (name, buffer), other in zip(learner.model.named_buffers(), module.buffers(), strict=True):
        assert torch.equal(buffer, other), name


@pytest.mark.parametrize("bits", BITS)
def test_evaluation_is_the_module_s(bits: tuple[int, int, int]) -> None:
    module, learner = pair(bits, dropout=0.2)
    module(torch.rand(100, 1, 8, 8))
    learner.model.load_state_dict(module.state_dict())
    x = torch.rand(50, 1, 8, 8)
    learner.model.eval()
    assert torch.equal(learner.scores(learner.encode(x)), module.eval()(x))


def test_a_second_step_does_not_add_to_the_gradients_of_the_first() -> None:
    _, learner = pair((1, 1, 1))
    encoded, gradient = learner.encode(torch.rand(20, 1, 8, 8)), torch.randn(20, 10)
    grads: list[list[Tensor]] = []
    for _ in range(2):
        learner.backward(learner.scores(encoded), gradient)
        grads.append([p.grad.clone() for p in learner.model.parameters() if p.grad is not None])
    assert all(map(torch.equal, *grads))


def test_weights_are_clipped_after_a_step() -> None:
    _, learner = pair((1, 1, 1))
    weight: Tensor = learner.model.linears()[0].weight
    with torch.no_grad():
        weight.copy_(torch.linspace(-3, 3, weight.numel()).view_as(weight))
    learner.after_step()
    assert weight.min() == -1
    assert weight.max() == 1


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(share: float) -> None:
    _, learner = pair((1, 1, 1), dropout=share)
    masks = learner._masks(3000, torch.device("cpu"))
    assert masks is not None
    assert [tuple(mask.shape) for mask in masks] == [(3000, 64), (3000, 40), (3000, 30)]
    for mask in masks:
        assert set(mask.unique().tolist()) == {0.0, torch.tensor(1 / (1 - share)).item()}
        assert abs((mask == 0).float().mean().item() - share) < 0.005
    columns = (masks[0] == 0).float().mean(0)
    assert columns.std() < 0.02, "every input is dropped equally often"


def test_dropout_of_an_image_is_the_same_whoever_has_which_part_of_the_batch() -> None:
    _, whole = pair((1, 1, 1), dropout=0.5)
    whole.model.train()
    masks = []
    for learner, images in ((whole, 20), *((FcTwin(whole.model, (i, 4)), 5) for i in range(4))):
        torch.manual_seed(1)
        found = learner._masks(images, torch.device("cpu"))
        assert found is not None
        masks.append(found)
    for layer, expected in enumerate(masks[0]):
        assert torch.equal(torch.cat([mask[layer] for mask in masks[1:]]), expected)


def test_one_bit_counts_both_zeros_as_plus_one() -> None:
    assert quantise(torch.tensor([0.0, -0.0, 1e-30, -1e-30]), 1).tolist() == [1, 1, 1, -1]
