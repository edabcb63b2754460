"""The spec of a training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from specs.base import Spec

PUBLISHED = "published"
"""The word for Brevitas' own weights of a network."""


class TrainingSpec(Spec):
    """How the network is trained. The default is BNN-PYNQ's recipe: Adam on the squared hinge loss.

    Some fields belong to one choice of another field, as `momentum` belongs to sgd. They are
    refused with any other choice.
    """

    checkpoint: str | None = Field(default=None, pattern=rf"^({PUBLISHED}|[0-9a-f]{{64}})$")
    """The weights to start from: "published" for Brevitas' own weights of this network, or the
    sha256 of a file. Set it with the variable `checkpoint=`, which takes "published" or a path."""
    epochs: int = Field(ge=0, le=100_000)
    """Number of epochs. `patience` may end training earlier. With 0 epochs the checkpoint is
    evaluated and exported without training."""
    batch_size: int = Field(default=100, ge=2)
    """Images in one step, of all processes together."""
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    """The optimiser."""
    learning_rate: float = Field(default=0.02, gt=0)
    """The learning rate before the schedule changes it; for one_cycle the highest rate."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Momentum of sgd."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay of every parameter. adam and sgd add it to the gradient; adamw subtracts it from
    the parameter itself."""
    loss: Literal["squared_hinge", "cross_entropy"] = "squared_hinge"
    """The loss. squared_hinge has the target +1 for the right class and -1 for the others."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """For cross_entropy: the share of the target that is spread evenly over all classes."""
    schedule: Literal["cosine", "halve", "step", "one_cycle", "plateau", "constant"] = "cosine"
    """How the learning rate changes. cosine: it falls to zero over `epochs`. halve: it is halved
    every `halve_every` epochs (the published recipe). step: it is multiplied by `rate_factor` after
    each epoch in `milestones`. one_cycle: it rises to the full rate and falls to almost zero, a bit
    in every step. plateau: it is multiplied by `rate_factor` when the validation accuracy has not
    risen for more than `plateau_patience` epochs. constant: it stays the same."""
    halve_every: int = Field(default=40, ge=1)
    """For halve: the number of epochs after which the rate is halved."""
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """For step: the epochs after which the rate falls, in ascending order. As a variable:
    `milestones=30,60`."""
    rate_factor: float = Field(default=0.1, gt=0, lt=1)
    """For step and plateau: the factor by which the rate falls."""
    plateau_patience: int = Field(default=5, ge=0)
    """For plateau: the number of epochs without a better accuracy that are tolerated."""
    warmup_share: float = Field(default=0.3, gt=0, lt=1)
    """For one_cycle: the share of all steps in which the rate rises."""
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training set that is held out. The best epoch is chosen by its accuracy on
    it."""
    patience: int | None = Field(default=None, ge=1)
    """Training ends early after so many epochs without a better validation accuracy. Without it
    training never ends early. With the cosine schedule the accuracy rises until the end, so choose
    a generous number."""
    seed: int = Field(default=1, ge=0, lt=2**31)
    """Seed of the weights, of the validation split, and of the order and augmentation of images."""
    crop_padding: int = Field(default=0, ge=0, le=32)
    """Augmentation: each image is shifted at random by up to so many pixels. What comes in at the
    edges is black."""
    flip: bool = False
    """Augmentation: each image is mirrored left to right with probability 1/2."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number format of products and activations in training (torch's autocast). Evaluation is
    always in fp32."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where training runs. The test images are always evaluated on the CPU."""
    processes: int = Field(default=1, ge=1, le=64)
    """Number of training processes on each machine. Each takes one GPU if there are any. They share
    every batch, and batch norms see the whole batch, so the result is that of one process up to
    rounding."""
    machines: int = Field(default=1, ge=1, le=1024)
    """Number of machines that train together. Each runs the same command; `rendezvous` in its
    local.toml says where they meet."""
    threads: int = Field(default=1, ge=1, le=64)
    """CPU threads of each process. The order of sums depends on it, and so does the result;
    therefore it is never taken from the machine's number of cores. 1 is best up to about 256
    neurons per layer."""

    @field_validator("epochs")
    @classmethod
    def _trains_or_has_weights(cls, epochs: int, others: ValidationInfo) -> int:
        if epochs == 0 and others.data.get("checkpoint") is None:
            raise ValueError("input should be greater than or equal to 1 without a checkpoint")
        return epochs

    @field_validator("milestones", mode="before")
    @classmethod
    def _of_a_variable(cls, milestones: object) -> object:
        return milestones.split(",") if isinstance(milestones, str) else milestones

    @field_validator("milestones")
    @classmethod
    def _ascend(cls, milestones: tuple[int, ...]) -> tuple[int, ...]:
        if list(milestones) != sorted(set(milestones)):
            raise ValueError("epochs should ascend")
        return milestones

    @model_validator(mode="after")
    def _fields_have_their_choice(self) -> Self:
        faults = []
        for field, (choice, values) in BELONGS.items():
            value, chosen = getattr(self, field), getattr(self, choice)
            if value != type(self).model_fields[field].default and chosen not in values:
                owners = " or ".join(f'"{owner}"' for owner in values)
                faults.append(f'{field} = {value}: belongs to {choice} = {owners}, not "{chosen}"')
        if self.schedule == "step" and not self.milestones:
            faults.append('milestones: missing; schedule = "step" needs at least one')
        if self.batch_size % (self.processes * self.machines):
            faults.append(
                f"batch_size = {self.batch_size}: processes = {self.processes} on machines = "
                f"{self.machines} cannot share it equally"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self


BELONGS = {
    "momentum": ("optimiser", ("sgd",)),
    "label_smoothing": ("loss", ("cross_entropy",)),
    "halve_every": ("schedule", ("halve",)),
    "milestones": ("schedule", ("step",)),
    "rate_factor": ("schedule", ("step", "plateau")),
    "plateau_patience": ("schedule", ("plateau",)),
    "warmup_share": ("schedule", ("one_cycle",)),
}
"""Fields that only have a meaning with some choice of another field: that field and its choices."""
