"""Residual networks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from specs.input import Shape
from specs.models.base import ModelSpec

INT, FP32 = "int", "fp32"
_INTEGER_BITS = ("weight_bits", "activation_bits", "first_weight_bits", "classifier_weight_bits")


class ResNetModel(ModelSpec):
    """Residual network as in Brevitas' examples: a convolution, stages of blocks, a classifier.

    Stage i has `blocks[i]` blocks of width * 2**i channels; all but the first begin with stride 2.
    The input is an integer image as it is, without a quantiser of its own.

    number_format: int, of which the bits tell the width; eXmY, a minifloat of a sign, X exponent
    and Y mantissa bits for the weights of all convolutions and the classifier and for all
    activations (e4m3 and e5m2 as the OCP defines FP8, others without codes for infinity or NaN;
    X to 6 and Y to 10, within which the gradients of their scales are fp32 numbers);
    or fp32, no quantiser at all. Networks of the last two train and export, see `no_hardware`.
    """

    family: Literal["resnet"]
    width: int = Field(default=64, ge=1, le=1024)
    blocks: Annotated[
        tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=6)
    ] = (2, 2, 2, 2)
    classes: int = Field(default=10, ge=2, le=1024)
    number_format: str = Field(default=INT, pattern=rf"^({INT}|{FP32}|e[1-6]m([1-9]|10))$")
    weight_bits: int | None = Field(default=None, ge=2, le=8)
    """Of integers alone, as all that follow; these two have no default then."""
    activation_bits: int | None = Field(default=None, ge=2, le=8)
    first_weight_bits: int = Field(default=8, ge=2, le=8)
    classifier_weight_bits: int = Field(default=8, ge=2, le=8)

    @model_validator(mode="after")
    def _bits_are_of_integers(self) -> Self:
        for name in _INTEGER_BITS:
            value, default = getattr(self, name), type(self).model_fields[name].default
            if self.number_format == INT and value is None:
                raise ValueError(f"{name}: missing; it has no default")
            if self.number_format != INT and value != default:
                raise ValueError(
                    f"{name} = {value}: of integers alone; leave it out with number_format = "
                    f'"{self.number_format}", or use number_format = "{INT}"'
                )
        return self

    def minifloat(self) -> tuple[int, int] | None:
        """Exponent and mantissa bits; None: the numbers are integers or fp32."""
        if self.number_format in (INT, FP32):
            return None
        exponent, mantissa = self.number_format.removeprefix("e").split("m")
        return int(exponent), int(mantissa)

    def no_hardware(self) -> str | None:
        if self.number_format == INT:
            return None
        return (
            f"model.number_format = {self.number_format!r}: no accelerator can be built, its "
            "datapath would be one of floating-point numbers and all layers here compute with "
            "integers; train and export work (./doit train, ./doit export), and hardware has "
            f'number_format = "{INT}" with weight_bits and activation_bits, '
            "as network=resnet18_4w4a"
        )

    def feature_map(self, shape: Shape) -> tuple[int, int, int]:
        """Height, width and channels in front of the average pool, for images of `shape`."""
        halvings = len(self.blocks) - 1
        height, width = (-(-size // (1 << halvings)) for size in shape[:2])
        return height, width, self.width << halvings
