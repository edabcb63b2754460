"""The spec of a network's input."""

from __future__ import annotations

from math import isfinite, prod
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

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


def _number(word: object) -> float | None:
    """A finite number, which may be written as text or as a fraction; None: it is none."""
    number = _fraction(word)
    if isinstance(number, bool) or not isinstance(number, int | float | str):
        return None
    try:
        found = float(number)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


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
    """Datatype of the integers that the accelerator takes. Signed images are not resized."""
    resize: Literal["bilinear", "nearest", "none"] = "bilinear"
    """How an image of another size is resized to `shape`. "none" refuses such an image."""
    scale: Annotated[float, BeforeValidator(_fraction)] = Field(default=1 / 255, gt=0)
    """Factor from an integer to its value. It may be written as a fraction: "1/255"."""
    mean: float | tuple[float, ...] = 0.0
    """Subtracted from the scaled value: a number, or one for each channel (for each feature of a
    vector). On the command line they are written with commas: 0.5,0.4,0.3."""
    std: float | tuple[float, ...] = 1.0
    """The scaled value, less the mean, is divided by this: a number, or one for each channel."""

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _by_channel(cls, value: object, info: ValidationInfo) -> float | tuple[float, ...]:
        """One number or one for each channel. Equal ones become one: one meaning, one spelling."""
        words = value.split(",") if isinstance(value, str) else value
        listed = list(words) if isinstance(words, list | tuple) else [words]
        numbers = [number for word in listed if (number := _number(word)) is not None]
        positive = info.field_name == "std"
        if len(numbers) < max(1, len(listed)) or (positive and min(numbers) <= 0):
            kind = "positive number" if positive else "number"
            raise ValueError(f"give a {kind}, or a list with one for each channel")
        shape = info.data.get("shape")  # missing if it is wrong itself
        if shape and len(numbers) not in (1, shape[-1]):
            raise ValueError(
                f"{len(numbers)} numbers; give one, or one for each of the {shape[-1]} channels of "
                f"input.shape"
            )
        return numbers[0] if len(set(numbers)) == 1 else tuple(numbers)

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if len(self.shape) == 2:
            raise ValueError("shape: give height, width and channels of an image, or one length")
        if min(self.shape) < 1:
            raise ValueError("shape: height, width and channels must be at least 1")
        if prod(self.shape) > MOST_INPUTS:
            raise ValueError(f"shape: more than {MOST_INPUTS:,} values in an image")
        return self
