import pytest
import torch
from brevitas_examples.bnn_pynq.models.losses import SqrHingeLoss  # type: ignore[import-untyped]

from pipeline.training.curves import Row
from pipeline.training.loop import batches, learning_rate, plus_minus_one, squared_hinge, why_ended
from specs.network import TrainingSpec


def test_squared_hinge_is_brevitas_loss_and_gradient() -> None:
    scores = torch.randn(20, 10).mul_(2).requires_grad_()
    targets = plus_minus_one(torch.arange(20) % 10, 10)
    expected = SqrHingeLoss()(scores, targets)
    expected.backward()
    loss, gradient = squared_hinge(scores.detach(), targets)
    assert torch.equal(loss, expected)
    torch.testing.assert_close(gradient, scores.grad)


def test_targets_are_plus_one_at_the_label() -> None:
    assert plus_minus_one(torch.tensor([1, 0]), 3).tolist() == [[-1, 1, -1], [1, -1, -1]]


def test_cosine_falls_from_the_full_rate_towards_zero() -> None:
    spec = TrainingSpec(epochs=10, learning_rate=0.02)
    rates = [learning_rate(spec, epoch) for epoch in range(10)]
    assert rates[0] == 0.02
    assert rates[5] == pytest.approx(0.01)
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.001


def test_halve_is_the_published_schedule() -> None:
    spec = TrainingSpec(epochs=1000, schedule="halve")
    rates = [learning_rate(spec, epoch) for epoch in (0, 39, 40, 79, 80)]
    assert rates == [0.02, 0.02, 0.01, 0.01, 0.005]


def test_batches_are_full_and_their_order_is_the_seed_s_and_the_epoch_s() -> None:
    spec = TrainingSpec(epochs=2, batch_size=4, seed=3)
    parts = batches(spec, 0, 11)
    assert [len(part) for part in parts] == [4, 4]
    drawn = torch.cat(parts)
    assert len(drawn.unique()) == 8
    assert torch.equal(drawn, torch.cat(batches(spec, 0, 11)))
    assert not torch.equal(drawn, torch.cat(batches(spec, 1, 11)))
    assert not torch.equal(drawn, torch.cat(batches(spec.model_copy(update={"seed": 4}), 0, 11)))
    assert [len(part) for part in batches(spec, 0, 3)] == [3]


def test_every_image_has_its_turn() -> None:
    spec = TrainingSpec(epochs=50, batch_size=4)
    seen = torch.cat([torch.cat(batches(spec, epoch, 11)) for epoch in range(50)])
    assert torch.bincount(seen, minlength=11).min() > 20
    assert len(seen) == 50 * 8


def test_patience_counts_the_epochs_since_the_accuracy_last_rose() -> None:
    spec = TrainingSpec(epochs=9, patience=3)
    accuracies = [50.0, 60, 60, 59, 61, 61, 61, 61]
    rows = [Row(epoch, 0.1, 0.1, share) for epoch, share in enumerate(accuracies, 1)]
    ends = [why_ended(spec, rows[:count]) for count in range(9)]
    assert ends == [None] * 8 + ["no better after epoch 5"]
    assert why_ended(TrainingSpec(epochs=9, patience=2), rows[:4]) == "no better after epoch 2"
    assert why_ended(TrainingSpec(epochs=9), rows) is None
    assert why_ended(TrainingSpec(epochs=8), rows) == "all epochs"
