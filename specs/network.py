"""A network: its data set, input contract, model and training recipe."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from specs.base import Spec

MOST_INPUTS = 1 << 20
PUBLISHED = "published"
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class InputSpec(Spec):
    """What the network is fed: one contract for training, golden vectors, driver and board.

    A raw image is resized to `shape`, stays an unsigned integer on its way into the accelerator,
    and means (value * scale - mean) / std to the network.
    """

    shape: tuple[int, int, int] = (28, 28, 1)
    """Height, width, channels of one image."""
    layout: Literal["NHWC"] = "NHWC"
    dtype: Literal["UINT8"] = "UINT8"
    resize: Literal["bilinear", "nearest", "none"] = "bilinear"
    """How an image of another size is brought to `shape`; "none" refuses it."""
    scale: float = Field(default=1 / 255, gt=0)
    mean: float = 0.0
    std: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if min(self.shape) < 1:
            raise ValueError("shape: height, width and channels must be at least 1")
        if prod(self.shape) > MOST_INPUTS:
            raise ValueError(f"shape: more than {MOST_INPUTS:,} values in an image")
        return self


class FcModel(Spec):
    """Fully connected layers as in BNN-PYNQ: input quantiser, hidden layers, classifier."""

    family: Literal["fc"] = "fc"
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1)]
    classes: int = Field(default=10, ge=2, le=1024)
    weight_bits: int = Field(ge=1, le=8)
    activation_bits: int = Field(ge=1, le=8)
    input_bits: int = Field(ge=1, le=8)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class TrainingSpec(Spec):
    """Adam on the squared hinge loss of +-1 targets, weights clipped to +-1 (BNN-PYNQ's recipe)."""

    checkpoint: str | None = Field(default=None, pattern=rf"^({PUBLISHED}|[0-9a-f]{{64}})$")
    """The weights to start from: "published", Brevitas' own of this network, or the sha256 of the
    file that the variable checkpoint=PATH names."""
    epochs: int = Field(ge=0, le=100_000)
    """At most, see `patience`. 0: the checkpoint is evaluated and exported as it is."""
    batch_size: int = Field(default=100, ge=2)
    learning_rate: float = Field(default=0.02, gt=0)
    schedule: Literal["cosine", "halve"] = "cosine"
    """cosine: to zero over `epochs`; halve: every `halve_every` epochs (the published recipe)."""
    halve_every: int = Field(default=40, ge=1)
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training set held out to choose the best checkpoint."""
    patience: int | None = Field(default=None, ge=1)
    """Epochs without a better validation accuracy after which training ends; none: it never does
    early. With the cosine schedule the accuracy rises to the end, so choose it generously."""
    seed: int = Field(default=1, ge=0, lt=2**31)
    threads: int = Field(default=1, ge=1, le=64)
    """Of the processor. The order of sums, and so the result, depends on it: never the machine's
    number of cores. 1 is best up to about 256 neurons a layer."""

    @field_validator("epochs")
    @classmethod
    def _trains_or_has_weights(cls, epochs: int, others: ValidationInfo) -> int:
        if epochs == 0 and others.data.get("checkpoint") is None:
            raise ValueError("input should be greater than or equal to 1 without a checkpoint")
        return epochs


class NetworkSpec(Spec):
    """One network, as in specs/networks/*.toml or a user's own file."""

    name: Identifier
    description: str = ""
    dataset: Literal["digits", "mnist"]
    input: InputSpec = InputSpec()
    model: FcModel
    training: TrainingSpec
