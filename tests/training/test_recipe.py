from collections.abc import Callable
from typing import Any

import pytest
import torch
from brevitas_examples.bnn_pynq.models.losses import SqrHingeLoss  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import SpecError
from pipeline.training.recipe import Recipe, loss_of, plus_minus_one, squared_hinge, targets_of
from specs.base import validate
from specs.training import TrainingSpec

CLASSES = 3


class Line:
    """The smallest twin: one matrix. It notes in which type its products were."""

    classes, black = CLASSES, 0.0

    def __init__(self) -> None:
        self.model = nn.Linear(4, CLASSES, bias=False)
        self.products: list[torch.dtype] = []
        with torch.no_grad():
            self.model.weight.copy_(torch.linspace(-1, 1, 12).view(CLASSES, 4))

    def encode(self, images: Tensor) -> Tensor:
        return images

    def scores(self, encoded: Tensor) -> Tensor:
        scores: Tensor = self.model(encoded)
        self.products.append(scores.dtype)
        return scores

    def backward(self, scores: Tensor, gradient: Tensor) -> None:
        self.model.zero_grad()
        scores.backward(gradient)

    def after_step(self) -> None:
        pass


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(6, 4, generator=generator), torch.arange(6) % CLASSES


def trained(steps: int, **fields: Any) -> Tensor:
    """The matrix after some steps on one batch; keywords are fields of the training spec."""
    spec = TrainingSpec.model_validate({"epochs": 100, "schedule": "constant", **fields})
    learner, (images, labels) = Line(), batch()
    recipe = Recipe(spec, learner, steps=10)
    for _ in range(steps):
        recipe.step(images, targets_of(spec, labels, CLASSES))
    return learner.model.weight.detach()


def gradient(weight: Tensor) -> Tensor:
    """Of the mean squared hinge loss, by its definition."""
    images, labels = batch()
    weight = weight.clone().requires_grad_()
    targets = plus_minus_one(labels, CLASSES)
    (1 - images @ weight.T * targets).clamp(min=0).square().mean().backward()
    assert weight.grad is not None
    return weight.grad


def sgd(weight: Tensor, momentum: float = 0, decay: float = 0) -> Tensor:
    velocity = torch.zeros_like(weight)
    for _ in range(5):
        velocity = momentum * velocity + gradient(weight) + decay * weight
        weight = weight - 0.1 * velocity
    return weight


def adam(weight: Tensor, added: float = 0, taken: float = 0) -> Tensor:
    first, second = torch.zeros_like(weight), torch.zeros_like(weight)
    for step in range(1, 6):
        slope = gradient(weight) + added * weight
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope.square()
        size = (second / (1 - 0.999**step)).sqrt() + 1e-8
        weight = weight * (1 - 0.1 * taken) - 0.1 * first / (1 - 0.9**step) / size
    return weight


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, adam),
        ({"weight_decay": 0.3}, lambda weight: adam(weight, added=0.3)),
        ({"optimiser": "adamw", "weight_decay": 0.3}, lambda weight: adam(weight, taken=0.3)),
        ({"optimiser": "sgd"}, sgd),
        ({"optimiser": "sgd", "momentum": 0.8}, lambda weight: sgd(weight, momentum=0.8)),
        ({"optimiser": "sgd", "weight_decay": 0.3}, lambda weight: sgd(weight, decay=0.3)),
    ],
)
def test_optimisers_are_their_published_rules(
    fields: dict[str, Any], expected: Callable[[Tensor], Tensor]
) -> None:
    start = trained(0)
    torch.testing.assert_close(trained(5, learning_rate=0.1, **fields), expected(start))


def test_squared_hinge_is_brevitas_loss_and_gradient() -> None:
    scores = torch.randn(20, 10).mul_(2).requires_grad_()
    targets = plus_minus_one(torch.arange(20) % 10, 10)
    expected = SqrHingeLoss()(scores, targets)
    expected.backward()
    loss, slope = squared_hinge(scores.detach(), targets)
    assert torch.equal(loss, expected)
    torch.testing.assert_close(slope, scores.grad)


def test_targets_are_plus_one_at_the_label() -> None:
    assert plus_minus_one(torch.tensor([1, 0]), 3).tolist() == [[-1, 1, -1], [1, -1, -1]]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_with_its_share_for_all_classes(smoothing: float) -> None:
    spec = TrainingSpec(epochs=1, loss="cross_entropy", label_smoothing=smoothing)
    scores, labels = torch.randn(20, 10), torch.arange(20) % 10
    wanted = functional.one_hot(labels, 10) * (1 - smoothing) + smoothing / 10
    loss, slope = loss_of(spec)(scores, targets_of(spec, labels, 10))
    torch.testing.assert_close(loss, -(wanted * scores.log_softmax(1)).sum(1).mean())
    torch.testing.assert_close(slope, (scores.softmax(1) - wanted) / 20)


def rates(epochs: int, accuracies: list[float] | None = None, **fields: Any) -> list[float]:
    """The rate at the beginning of each epoch of two steps."""
    spec = TrainingSpec.model_validate({"epochs": epochs, "learning_rate": 0.02, **fields})
    recipe, (images, labels) = Recipe(spec, Line(), steps=2), batch()
    found = []
    for epoch in range(epochs):
        found.append(recipe.rate)
        for _ in range(2):
            recipe.step(images, targets_of(spec, labels, CLASSES))
        recipe.after_epoch(accuracies[epoch] if accuracies else 50.0)
    return found


def test_cosine_falls_from_the_full_rate_towards_zero() -> None:
    found = rates(10)
    assert found[0] == 0.02
    assert found[5] == pytest.approx(0.01)
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < 0.001


def test_halve_is_the_published_schedule() -> None:
    found = rates(81, schedule="halve")
    assert [found[epoch] for epoch in (0, 39, 40, 79, 80)] == [0.02, 0.02, 0.01, 0.01, 0.005]
    assert rates(3, schedule="halve", halve_every=1) == [0.02, 0.01, 0.005]


def test_step_falls_after_each_milestone() -> None:
    found = rates(6, schedule="step", milestones=(2, 5), rate_factor=0.5)
    assert found == [0.02, 0.02, 0.01, 0.01, 0.01, 0.005]


def test_one_cycle_rises_and_falls_step_by_step() -> None:
    found = rates(10, schedule="one_cycle", warmup_share=0.8)
    assert found[0] == pytest.approx(0.02 / 25)
    assert max(found) > 0.019
    assert found.index(max(found)) in (7, 8)
    assert found[-1] < 0.01
    spec = TrainingSpec(epochs=10, schedule="one_cycle")
    recipe, (images, labels) = Recipe(spec, Line(), steps=2), batch()
    before = recipe.rate
    recipe.step(images, plus_minus_one(labels, CLASSES))
    assert recipe.rate > before, "within an epoch"


def test_plateau_falls_when_the_accuracy_has_not_risen_for_long() -> None:
    accuracies = [50.0, 60, 60, 60, 60, 61, 61]
    found = rates(7, accuracies, schedule="plateau", plateau_patience=1, rate_factor=0.5)
    assert found == [0.02, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01]
    found = rates(7, accuracies, schedule="plateau", plateau_patience=9)
    assert found == [0.02] * 7


def test_constant_stays() -> None:
    assert rates(5, schedule="constant") == [0.02] * 5


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_products_are_of_the_precision_and_the_rest_is_not(
    precision: str, dtype: torch.dtype
) -> None:
    spec = TrainingSpec.model_validate({"epochs": 1, "precision": precision})
    learner, (images, labels) = Line(), batch()
    loss = Recipe(spec, learner, steps=1).step(images, plus_minus_one(labels, CLASSES))
    assert learner.products == [dtype]
    assert loss.dtype == learner.model.weight.dtype == torch.float32
    assert learner.scores(images).dtype == torch.float32, "outside of a step, as in validation"


def test_small_gradients_survive_in_fp16() -> None:
    """Of a cross entropy near zero they are some 1e-9, which is 0 in fp16 but for the scale."""
    spec = TrainingSpec(epochs=1, precision="fp16", loss="cross_entropy", learning_rate=0.1)
    learner = Line()
    with torch.no_grad():
        learner.model.weight.copy_(20 * torch.eye(CLASSES, 4))
    start = learner.model.weight.detach().clone()
    Recipe(spec, learner, steps=1).step(torch.eye(CLASSES, 4), torch.arange(CLASSES))
    assert not torch.equal(learner.model.weight, start)


def test_in_fp16_a_step_that_overflows_is_left_out_and_the_scale_that_it_halves_is_kept() -> None:
    spec = TrainingSpec(epochs=1, precision="fp16", learning_rate=0.1)
    learner, (images, labels) = Line(), batch()
    start = learner.model.weight.detach().clone()
    recipe, other = Recipe(spec, learner, steps=2), Recipe(spec, learner, steps=2)
    before = recipe.state_dict()["scaler"]["scale"]
    recipe.step(images * 1e4, plus_minus_one(labels, CLASSES))
    assert torch.equal(learner.model.weight, start)
    assert recipe.state_dict()["scaler"]["scale"] == before / 2
    other.load_state_dict(recipe.state_dict())
    assert other.state_dict() == recipe.state_dict()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"momentum": 0.9}, 'momentum = 0.9: belongs to optimiser = "sgd", not "adam"'),
        ({"label_smoothing": 0.1}, 'belongs to loss = "cross_entropy", not "squared_hinge"'),
        ({"milestones": [3]}, 'milestones = (3,): belongs to schedule = "step", not "cosine"'),
        ({"rate_factor": 0.5}, 'belongs to schedule = "step" or "plateau"'),
        ({"plateau_patience": 1}, "plateau_patience = 1: belongs to"),
        ({"warmup_share": 0.5}, "warmup_share = 0.5: belongs to"),
        ({"halve_every": 4}, "halve_every = 4: belongs to"),
        ({"schedule": "step"}, 'milestones: missing; schedule = "step" needs at least one'),
        ({"schedule": "step", "milestones": [3, 3]}, "epochs should ascend"),
        ({"schedule": "step", "milestones": [0]}, "milestones.0 = 0: input should be greater"),
        ({"momentum": 0.9, "milestones": [3]}, "; milestones = (3,)"),
        ({"momentum": 1.0, "optimiser": "sgd"}, "momentum = 1.0: input should be less than 1"),
        ({"processes": 3}, "batch_size = 100: processes = 3 on machines = 1 cannot share it"),
        ({"precision": "int8"}, "precision = 'int8': input should be 'fp32', 'bf16' or 'fp16'"),
    ],
)
def test_fields_without_their_choice_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        validate(TrainingSpec, {"epochs": 1, **fields}, "net.toml")
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
