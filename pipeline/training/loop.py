"""The training loop, on whole tensors in memory."""

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
from pipeline.training.accuracy import Accuracy, right, share
from pipeline.training.augment import augment
from pipeline.training.checkpoint import Checkpoints, Snapshot, State
from pipeline.training.curves import Curves, Row
from pipeline.training.recipe import Recipe, targets_of
from pipeline.training.team import ALONE, Team
from specs.training import TrainingSpec

_REPORT_EVERY = 0.5
"""Least number of seconds between two progress lines."""
_STEP_EVERY = 5.0
_BLOCK = 500
"""Images validated at a time."""
_LOOK_EVERY = 50
"""Number of steps after which the losses are checked."""


Show = Callable[[str, float], None]
"""Shows a line of progress and the part of the work that is done."""


@dataclass(frozen=True)
class Labelled:
    """Encoded images [N, ...] (see Twin.encode) and their labels, int64 [N]."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Trained:
    """The result of a training: its best and its last weights, and why it ended."""

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
    team: Team = ALONE,
    show: Show = progress,
) -> Trained:
    """Trains the learner's model in place. Its best weights are those most accurate on `held_out`.

    The default is the recipe of brevitas_examples.bnn_pynq: Adam, squared hinge loss on +-1
    targets, weights clipped to +-1 after each step. However, that one chooses the best epoch on the
    test set. Among equal epochs the last one is best. Raises PipelineError if the loss or a
    parameter is not finite.
    """
    model = learner.model
    count = len(images.labels)
    recipe = Recipe(training, learner, len(batches(training, 0, count)), team)
    state = checkpoints.load(model, recipe, team) or State()
    curves.begin(state.rows)
    targets = targets_of(training, images.labels, learner.classes)
    clock = _Clock(state.epoch, training.epochs, show)
    ending = why_ended(training, state.rows)
    while ending is None:
        rate = recipe.rate
        order = batches(training, state.epoch, count)
        state.epoch += 1
        try:
            loss = run_epoch(
                recipe, learner, training, images.images, targets, order, team, clock.step
            )
            look_at_parameters(model)
        except DivergedError as error:
            raise PipelineError(
                f"training diverged in epoch {state.epoch}: {error}; "
                f"choose a smaller training.learning_rate than {training.learning_rate}"
            ) from None
        team.check_same(model)
        found = validate(learner, held_out, team)
        recipe.after_epoch(found.top1)
        curves.add(Row(state.epoch, rate, loss, found.top1, found.top5), state.rows)
        if state.best is None or found.top1 >= state.best.accuracy:
            state.best = Snapshot(state.epoch, found.top1, _copy(model))
        ending = why_ended(training, state.rows)
        if team.rank == 0:
            checkpoints.save(state, model, recipe, last=ending is not None)
        clock.report(
            state.epoch, f"loss {loss:.4f}, validation {found.top1:.2f} %", last=ending is not None
        )
    curves.end(state.rows)
    accuracy = (
        state.rows[-1].validation_accuracy if state.rows else validate(learner, held_out, team).top1
    )
    last = Snapshot(state.epoch, accuracy, _copy(model))
    return Trained(state.best or last, last, ending)


def why_ended(training: TrainingSpec, rows: list[Row]) -> str | None:
    """Why no epoch follows those of `rows`, as a figure. None if one does."""
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
    """Shows progress with the time left, at most a few lines a second, and always the last one."""

    def __init__(self, done: int, epochs: int, show: Show) -> None:
        self._show = show
        self._done, self._epochs = done, epochs
        self._first = done
        self._start = self._reported = time.monotonic()
        self._text = "epoch 1"

    def step(self, share: float) -> None:
        """Shows progress within an epoch, if epochs are long."""
        now = time.monotonic()
        if now - self._reported < _STEP_EVERY:
            return
        self._reported = now
        done = self._done + share
        left = (now - self._start) / (done - self._first) * (self._epochs - done)
        self._show(f"{self._text}, {100 * share:.0f} % of the next, {left:.0f} s left",
                 done / self._epochs)  # fmt: skip

    def report(self, epoch: int, text: str, *, last: bool) -> None:
        now = time.monotonic()
        self._done, self._text = epoch, f"epoch {epoch}/{self._epochs}, {text}"
        if now - self._reported < _REPORT_EVERY and not last:
            return
        self._reported = now
        left = (now - self._start) / (epoch - self._first) * (self._epochs - epoch)
        self._show(f"{self._text}, {left:.0f} s left", epoch / self._epochs)


def batches(training: TrainingSpec, epoch: int, images: int) -> tuple[Tensor, ...]:
    """Indices of the images in each batch of an epoch (from 0). Only seed and epoch decide them.

    The last images that do not fill a batch are left out of this epoch: batch norm has no variance
    over one image, and every step should cost the same.
    """
    size = min(training.batch_size, images)
    generator = torch.Generator().manual_seed(training.seed * 1_000_003 + epoch)
    order = torch.randperm(images, generator=generator)
    parts: tuple[Tensor, ...] = order[: images // size * size].split(size)
    return parts


def run_epoch(
    recipe: Recipe,
    learner: Twin,
    training: TrainingSpec,
    images: Tensor,
    targets: Tensor,
    order: tuple[Tensor, ...],
    team: Team = ALONE,
    on_step: Callable[[float], None] = lambda share: None,
) -> float:
    """Does one step for each batch of `order`. Returns the mean loss.

    on_step: called with the share of the epoch that is done. Raises DivergedError soon after the
    first step whose loss is not finite.
    """
    learner.model.train()
    total = torch.zeros((), device=images.device)
    losses = torch.zeros(len(order), device=images.device)
    for number, batch in enumerate(order):
        on_step(number / len(order))
        own = team.own(batch).to(images.device)
        part = images.index_select(0, own)
        part = augment(part, training.crop_padding, training.flip, learner.black, team.part)
        loss = recipe.step(part, targets.index_select(0, own))
        losses[number] = loss
        total += loss
        # on a GPU to read a number is to wait for all that leads to it
        if number % _LOOK_EVERY == _LOOK_EVERY - 1 or number == len(order) - 1:
            _look(total, losses)
    return float(total) / len(order)


class DivergedError(Exception):
    """A training diverged: at which step, or in which parameter."""


def _look(total: Tensor, losses: Tensor) -> None:
    if not math.isfinite(float(total)):
        step = int(losses.isfinite().logical_not().nonzero()[0])
        raise DivergedError(f"the loss is {float(losses[step])} at step {step + 1}")


def look_at_parameters(model: nn.Module) -> None:
    """Raises DivergedError if a parameter is not finite; a quantiser would turn NaN into -1."""
    for name, value in model.named_parameters():
        if not value.isfinite().all():
            raise DivergedError(f"{name} is not finite")


def validate(learner: Twin, held_out: Labelled, team: Team = ALONE) -> Accuracy:
    """The accuracy on the held-out images, in fp32. Each process evaluates some of them."""
    learner.model.eval()
    counts = torch.zeros(2, dtype=torch.int64, device=held_out.labels.device)
    with torch.no_grad():
        for start in range(team.rank * _BLOCK, len(held_out.labels), team.size * _BLOCK):
            part = slice(start, start + _BLOCK)
            counts += right(learner.scores(held_out.images[part]), held_out.labels[part])
    return share(team.total(counts), len(held_out.labels), learner.classes)
