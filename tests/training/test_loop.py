import torch

from pipeline.training.curves import Row
from pipeline.training.loop import batches, why_ended
from specs.training import TrainingSpec


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
