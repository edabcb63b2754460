"""The spec of a plan: what `./doit prune-plan` looks for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from specs.base import Spec

Planned = Literal["columns", "channels"]


class PlanSpec(Spec):
    """What a plan of a pruning aims at, beside the speed `fps=`. Nothing that is built reads it."""

    lut: int | None = Field(default=None, ge=1)
    """The most LUTs that the accelerator may take, its shell included. Without it the board's share
    is the limit. Without `fps=` the network keeps the speed that it has without pruning."""
    max_loss: float = Field(default=1.0, ge=0, le=100)
    """Points of accuracy. Without `fps=` and `lut=` the plan is the fastest one that is estimated
    to lose at most so much."""
    granularity: Planned = "columns"
    """What is taken out, for a network whose spec has no table `pruning`. The variable is
    `plan_granularity=`."""
    steps: int = Field(default=8, ge=2, le=20)
    """How many sparsities of a layer are looked at: about 1/steps, 2/steps and so on. The variable
    is `plan_steps=`."""
    accuracies: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """The sha256 of a table of accuracies (layer, sparsity, accuracy) that takes the place of what
    the stage `sensitivity` measures; the command line gives the path: accuracies=FILE."""
