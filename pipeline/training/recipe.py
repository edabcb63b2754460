"""The steps of a training: precision, loss, optimiser and schedule, as the spec says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import lr_scheduler

from pipeline.models import Twin
from pipeline.training.team import ALONE, Team
from specs.training import TrainingSpec

Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""A function of scores [N, classes] without gradient and their targets. It returns the mean loss
and the gradient of the scores."""

_AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Recipe:
    """Optimiser, schedule and loss scale of one training, with the state that a checkpoint keeps.

    steps: steps per epoch.
    """

    def __init__(
        self, training: TrainingSpec, learner: Twin, steps: int, team: Team = ALONE
    ) -> None:
        self._learner = learner
        self._team = team
        self._device = next(learner.model.parameters()).device.type
        self._dtype = _AUTOCAST[training.precision]
        self._loss = loss_of(training)
        self.optimiser = optimiser_of(training, learner.model.parameters())
        self._schedule = schedule_of(training, self.optimiser, steps)
        # fp16 ends at 6e-8: without a scale small gradients would be zeros
        self._scaler = torch.amp.GradScaler(self._device, enabled=training.precision == "fp16")

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def step(self, images: Tensor, targets: Tensor) -> Tensor:
        """One step on this process' part of a batch. Returns the mean loss of all parts."""
        with torch.autocast(self._device, self._dtype, enabled=self._dtype is not None):
            scores = self._learner.scores(images).float()
        loss, gradient = self._loss(scores.detach(), targets)
        self._learner.backward(scores, self._scaler.scale(gradient))
        self._team.average([*self._gradients(), loss])
        self._scaler.step(self.optimiser)
        self._scaler.update()
        self._learner.after_step()
        if isinstance(self._schedule, lr_scheduler.OneCycleLR):
            self._schedule.step()
        return loss

    def _gradients(self) -> list[Tensor]:
        parameters = self._learner.model.parameters()
        return [value.grad for value in parameters if value.grad is not None]

    def after_epoch(self, accuracy: float) -> None:
        """Updates the schedule. accuracy: on the held-out images, in per cent."""
        if isinstance(self._schedule, lr_scheduler.ReduceLROnPlateau):
            self._schedule.step(accuracy)
        elif not isinstance(self._schedule, lr_scheduler.OneCycleLR):
            self._schedule.step()

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimiser": self.optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])


def optimiser_of(
    training: TrainingSpec, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimiser, in torch's fused version: a single operation for all parameters."""
    rate, decay = training.learning_rate, training.weight_decay
    if training.optimiser == "sgd":
        momentum = training.momentum
        return torch.optim.SGD(parameters, rate, momentum, weight_decay=decay, fused=True)
    kind = torch.optim.Adam if training.optimiser == "adam" else torch.optim.AdamW
    return kind(parameters, rate, weight_decay=decay, fused=True)


def schedule_of(
    training: TrainingSpec, optimiser: torch.optim.Optimizer, steps: int
) -> lr_scheduler.LRScheduler:
    """The schedule of an optimiser that has the spec's learning rate. steps: per epoch."""
    epochs = max(training.epochs, 1)
    match training.schedule:
        case "cosine":
            # torch's own takes each rate from the one before, and their errors add up
            return lr_scheduler.LambdaLR(
                optimiser, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / epochs))
            )
        case "halve":
            return lr_scheduler.StepLR(optimiser, training.halve_every, gamma=0.5)
        case "step":
            milestones = list(training.milestones)
            return lr_scheduler.MultiStepLR(optimiser, milestones, training.rate_factor)
        case "one_cycle":
            return lr_scheduler.OneCycleLR(
                optimiser,
                training.learning_rate,
                total_steps=epochs * steps,
                pct_start=training.warmup_share,
                cycle_momentum=False,  # the momentum stays the spec's
            )
        case "plateau":
            return lr_scheduler.ReduceLROnPlateau(
                optimiser,
                "max",
                training.rate_factor,
                training.plateau_patience,
                threshold=0.0,
            )
        case "constant":
            return lr_scheduler.LambdaLR(optimiser, lambda _: 1.0)


def loss_of(training: TrainingSpec) -> Loss:
    if training.loss == "squared_hinge":
        return squared_hinge

    def cross_entropy(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        leaf = scores.detach().requires_grad_()
        loss = functional.cross_entropy(leaf, labels, label_smoothing=training.label_smoothing)
        (gradient,) = torch.autograd.grad(loss, leaf)
        return loss.detach(), gradient

    return cross_entropy


def targets_of(training: TrainingSpec, labels: Tensor, classes: int) -> Tensor:
    """The loss's targets for labels, int64 [N]: the labels themselves, or +-1 for each class."""
    return plus_minus_one(labels, classes) if training.loss == "squared_hinge" else labels


def squared_hinge(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of max(0, 1 - score * target)**2, and its gradient with respect to the scores."""
    short = (scores * targets).neg_().add_(1).relu_()
    return short.square().mean(), (short * targets).mul_(-2 / scores.numel())


def plus_minus_one(labels: Tensor, classes: int) -> Tensor:
    """Float targets [N, classes]: +1 for the label, -1 elsewhere."""
    targets = torch.full((len(labels), classes), -1.0, device=labels.device)
    return targets.scatter_(1, labels[:, None], 1.0)
