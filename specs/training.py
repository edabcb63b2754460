"""How a network is trained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from specs.base import Spec

PUBLISHED = "published"


class TrainingSpec(Spec):
    """How the network is trained; by default BNN-PYNQ's recipe: Adam on the squared hinge loss.

    A field that belongs to one choice, as `momentum` does to sgd, is refused beside another.
    """

    checkpoint: str | None = Field(default=None, pattern=rf"^({PUBLISHED}|[0-9a-f]{{64}})$")
    """The weights to start from: "published", Brevitas' own of this network, or the sha256 of the
    file that the variable checkpoint=PATH names."""
    epochs: int = Field(ge=0, le=100_000)
    """At most, see `patience`. 0: the checkpoint is evaluated and exported as it is."""
    batch_size: int = Field(default=100, ge=2)
    """Images in a step, of all processes together."""
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(default=0.02, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Of sgd."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Added to the gradient of every parameter; of adamw, taken off the parameters themselves."""
    loss: Literal["squared_hinge", "cross_entropy"] = "squared_hinge"
    """squared_hinge: on targets of +-1."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Of cross_entropy: the share of the target that all classes have alike."""
    schedule: Literal["cosine", "halve", "step", "one_cycle", "plateau", "constant"] = "cosine"
    """Of the rate. cosine: to zero over `epochs`; halve: every `halve_every` epochs (the published
    recipe); step: times `rate_factor` after each epoch of `milestones`; one_cycle: step by step up
    to the full rate and down to nothing; plateau: times `rate_factor` when the validation accuracy
    has not risen for more than `plateau_patience` epochs."""
    halve_every: int = Field(default=40, ge=1)
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Of step: numbers of epochs, ascending; as a variable milestones=30,60."""
    rate_factor: float = Field(default=0.1, gt=0, lt=1)
    plateau_patience: int = Field(default=5, ge=0)
    warmup_share: float = Field(default=0.3, gt=0, lt=1)
    """Of one_cycle: share of all steps in which the rate rises."""
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training set held out to choose the best checkpoint."""
    patience: int | None = Field(default=None, ge=1)
    """Epochs without a better validation accuracy after which training ends; none: it never does
    early. With the cosine schedule the accuracy rises to the end, so choose it generously."""
    seed: int = Field(default=1, ge=0, lt=2**31)
    crop_padding: int = Field(default=0, ge=0, le=32)
    """Augmentation: each image is shifted by up to so many pixels, black where it leaves."""
    flip: bool = False
    """Augmentation: each image is mirrored left to right with probability 1/2."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of products and activations in training (torch's autocast); evaluation is always in fp32."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where training computes; the test images are judged on the processor."""
    processes: int = Field(default=1, ge=1, le=64)
    """On each machine, each with a GPU of its own if there are any. They share every batch, and the
    norms are of the whole batch: the result is that of one process but for rounding."""
    machines: int = Field(default=1, ge=1, le=1024)
    """That train together; each runs the same stage, and where they meet is among its settings."""
    threads: int = Field(default=1, ge=1, le=64)
    """Of the processor, for each process. The order of sums, and so the result, depends on it:
    never the machine's number of cores. 1 is best up to about 256 neurons a layer."""

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
"""Fields of a training, and the choice without which they would mean nothing."""
