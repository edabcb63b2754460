"""The training loop: BNN-PYNQ's recipe, on whole tensors in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.job import progress
from pipeline.models import Twin
from pipeline.training.augment import augment
from pipeline.training.checkpoint import Checkpoints, Snapshot, State
from pipeline.training.curves import Curves, Row
from specs.network import TrainingSpec

_REPORT_EVERY = 0.5
"""Seconds between two progress lines at least."""
_STEP_EVERY = 5.0
_BLOCK = 500
"""Images validated at a time."""


@dataclass(frozen=True)
class Labelled:
    """Encoded images [N, ...] (see Twin.encode) and their labels, int64 [N]."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Trained:
    """What a training leaves: its best and its last weights, and why it ended."""

    best: Snapshot
    last: Snapshot
    ending: str


def train(
    learner: Twin,
    training: TrainingSpec,
    images: Labelled,
    held_out: Labelled,
    checkpoints: Checkpoints,
    curves: Curves,
) -> Trained:
    """Trains the learner's model in place; the best weights are those that did best on `held_out`.

    Adam, squared hinge loss on +-1 targets and weights clipped to +-1 after each step: the recipe
    of brevitas_examples.bnn_pynq, whose best epoch is chosen on the test set, however. Between two
    equal epochs the later one wins. Raises PipelineError if the loss is not finite.
    """
    model = learner.model
    optimiser = torch.optim.Adam(model.parameters(), lr=training.learning_rate, fused=True)
    state = checkpoints.load(model, optimiser) or State()
    curves.begin(state.rows)
    targets = plus_minus_one(images.labels, learner.classes)
    clock = _Clock(state.epoch, training.epochs)
    ending = why_ended(training, state.rows)
    while ending is None:
        rate = learning_rate(training, state.epoch)
        for group in optimiser.param_groups:
            group["lr"] = rate
        order = batches(training, state.epoch, len(targets))
        loss = run_epoch(learner, optimiser, training, images.images, targets, order, clock.step)
        state.epoch += 1
        if not math.isfinite(loss):
            raise PipelineError(
                f"training diverged in epoch {state.epoch}: the loss is {loss}; "
                f"choose a smaller training.learning_rate than {training.learning_rate}"
            )
        share = validate(learner, held_out)
        curves.add(Row(state.epoch, rate, loss, share), state.rows)
        if state.best is None or share >= state.best.accuracy:
            state.best = Snapshot(state.epoch, share, _copy(model))
        ending = why_ended(training, state.rows)
        checkpoints.save(state, model, optimiser, last=ending is not None)
        clock.report(
            state.epoch, f"loss {loss:.4f}, validation {share:.2f} %", last=ending is not None
        )
    curves.end(state.rows)
    share = state.rows[-1].validation_accuracy if state.rows else validate(learner, held_out)
    last = Snapshot(state.epoch, share, _copy(model))
    return Trained(state.best or last, last, ending)


def why_ended(training: TrainingSpec, rows: list[Row]) -> str | None:
    """Why no epoch follows those of `rows`, as a figure; None: one does."""
    if len(rows) == training.epochs:
        return "all epochs" if rows else "not trained"
    if rows and training.patience is not None:
        # max takes the first of equals: an equal epoch is not a better one
        best = max(rows, key=lambda row: row.validation_accuracy)
        if len(rows) - best.epoch >= training.patience:
            return f"no better after epoch {best.epoch}"
    return None


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


class _Clock:
    """Progress lines with the time left, a few in a second at most, and the last one."""

    def __init__(self, done: int, epochs: int) -> None:
        self._done, self._epochs = done, epochs
        self._first = done
        self._start = self._reported = time.monotonic()
        self._text = "epoch 1"

    def step(self, share: float) -> None:
        """Within an epoch: only where epochs are long."""
        now = time.monotonic()
        if now - self._reported < _STEP_EVERY:
            return
        self._reported = now
        done = self._done + share
        left = (now - self._start) / (done - self._first) * (self._epochs - done)
        progress(f"{self._text}, {100 * share:.0f} % of the next, {left:.0f} s left",
                 done / self._epochs)  # fmt: skip

    def report(self, epoch: int, text: str, *, last: bool) -> None:
        now = time.monotonic()
        self._done, self._text = epoch, f"epoch {epoch}/{self._epochs}, {text}"
        if now - self._reported < _REPORT_EVERY and not last:
            return
        self._reported = now
        left = (now - self._start) / (epoch - self._first) * (self._epochs - epoch)
        progress(f"{self._text}, {left:.0f} s left", epoch / self._epochs)


def batches(training: TrainingSpec, epoch: int, images: int) -> tuple[Tensor, ...]:
    """Indices of each batch of an epoch (from 0), in an order that seed and epoch alone decide.

    The last images that do not fill a batch are left to the next epoch's order: batch norm has no
    variance over one image, and every step costs the same.
    """
    size = min(training.batch_size, images)
    generator = torch.Generator().manual_seed(training.seed * 1_000_003 + epoch)
    order = torch.randperm(images, generator=generator)
    parts: tuple[Tensor, ...] = order[: images // size * size].split(size)
    return parts


def run_epoch(
    learner: Twin,
    optimiser: torch.optim.Optimizer,
    training: TrainingSpec,
    images: Tensor,
    targets: Tensor,
    order: tuple[Tensor, ...],
    on_step: Callable[[float], None] = lambda share: None,
) -> float:
    """One step for each batch of `order`; returns the mean loss. on_step: takes the share done."""
    learner.model.train()
    total = torch.zeros(())
    for number, batch in enumerate(order):
        on_step(number / len(order))
        part = images.index_select(0, batch)
        part = augment(part, training.crop_padding, training.flip, learner.black)
        scores = learner.scores(part)
        loss, gradient = squared_hinge(scores.detach(), targets.index_select(0, batch))
        learner.backward(scores, gradient)
        optimiser.step()
        learner.after_step()
        total += loss  # on the device: it is read once an epoch
    return float(total) / len(order)


def squared_hinge(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of max(0, 1 - score * target)**2, and its gradient with respect to the scores."""
    short = (scores * targets).neg_().add_(1).relu_()
    return short.square().mean(), (short * targets).mul_(-2 / scores.numel())


def plus_minus_one(labels: Tensor, classes: int) -> Tensor:
    """Float targets [N, classes]: +1 for the label, -1 elsewhere."""
    targets = torch.full((len(labels), classes), -1.0)
    return targets.scatter_(1, labels[:, None], 1.0)


def learning_rate(training: TrainingSpec, epoch: int) -> float:
    """Rate of an epoch (counted from 0) by the spec's schedule."""
    if training.schedule == "halve":
        return training.learning_rate * 0.5 ** (epoch // training.halve_every)
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / training.epochs))


def validate(learner: Twin, held_out: Labelled) -> float:
    """Accuracy on the held-out images in per cent."""
    learner.model.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(held_out.labels), _BLOCK):
            part = slice(start, start + _BLOCK)
            found = learner.scores(held_out.images[part]).argmax(1)
            right += int((found == held_out.labels[part]).sum())
    return 100.0 * right / len(held_out.labels)
