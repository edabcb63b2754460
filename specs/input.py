"""The spec of a network's input."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from specs.base import Spec

MOST_INPUTS = 1 << 20
"""The most values that one image may have."""
Shape = Annotated[tuple[int, ...], Field(min_length=1, max_length=3)]
"""Height, width and channels of an image, or the length of a feature vector."""


def _fraction(value: object) -> object:
    """The value of a fraction that is written as a string ("1/255"); anything else unchanged."""
    if not isinstance(value, str) or value.count("/") != 1:
        return value
    try:
        above, below = map(float, value.split("/"))
        return above / below
    except (ValueError, ZeroDivisionError):
        return value  # pydantic tells that it is no number


class InputSpec(Spec):
    """The input of the network: one contract for training, golden vectors, driver and board.

    A raw image is resized to `shape`. The accelerator takes it as unsigned integers. For the
    network each of these integers stands for (integer * scale - mean) / std.
    """

    shape: Shape = (28, 28, 1)
    """Height, width and channels of one image, or the length of a feature vector."""
    layout: Literal["NHWC"] = "NHWC"
    """Order of the axes in raw images and in the accelerator's input stream."""
    dtype: str = Field(default="UINT8", pattern=r"^U?INT[1-8]$")
    """Datatype of the integers that the accelerator takes. Images are unsigned."""
    resize: Literal["bilinear", "nearest", "none"] = "bilinear"
    """How an image of another size is resized to `shape`. "none" refuses such an image."""
    scale: Annotated[float, BeforeValidator(_fraction)] = Field(default=1 / 255, gt=0)
    """Factor from an integer to its value. It may be written as a fraction: "1/255"."""
    mean: float = 0.0
    """Subtracted from the scaled value."""
    std: float = Field(default=1.0, gt=0)
    """The scaled value, less the mean, is divided by this."""

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if len(self.shape) == 2:
            raise ValueError("shape: give height, width and channels of an image, or one length")
        if min(self.shape) < 1:
            raise ValueError("shape: height, width and channels must be at least 1")
        if prod(self.shape) > MOST_INPUTS:
            raise ValueError(f"shape: more than {MOST_INPUTS:,} values in an image")
        return self
