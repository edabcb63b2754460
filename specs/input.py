"""What a network is fed."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from specs.base import Spec

MOST_INPUTS = 1 << 20
Shape = Annotated[tuple[int, ...], Field(min_length=1, max_length=3)]
"""Height, width, channels of an image; or the length of a feature vector."""


def _fraction(value: object) -> object:
    """A quotient of two numbers in a string as its value; anything else as it is."""
    if not isinstance(value, str) or value.count("/") != 1:
        return value
    try:
        above, below = map(float, value.split("/"))
        return above / below
    except (ValueError, ZeroDivisionError):
        return value  # pydantic tells that it is no number


class InputSpec(Spec):
    """What the network is fed: one contract for training, golden vectors, driver and board.

    A raw image is resized to `shape`, stays an unsigned integer on its way into the accelerator,
    and means (value * scale - mean) / std to the network.
    """

    shape: Shape = (28, 28, 1)
    """Height, width, channels of one image; or the length of a feature vector."""
    layout: Literal["NHWC"] = "NHWC"
    """Of raw images and of the accelerator's stream."""
    dtype: str = Field(default="UINT8", pattern=r"^U?INT[1-8]$")
    resize: Literal["bilinear", "nearest", "none"] = "bilinear"
    """How an image of another size is brought to `shape`; "none" refuses it."""
    scale: Annotated[float, BeforeValidator(_fraction)] = Field(default=1 / 255, gt=0)
    """May be written as a fraction: "1/255"."""
    mean: float = 0.0
    std: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if len(self.shape) == 2:
            raise ValueError("shape: height, width and channels of an image, or one length")
        if min(self.shape) < 1:
            raise ValueError("shape: height, width and channels must be at least 1")
        if prod(self.shape) > MOST_INPUTS:
            raise ValueError(f"shape: more than {MOST_INPUTS:,} values in an image")
        return self
