"""The spec of residual networks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from specs.input import Shape
from specs.models.base import ModelSpec

INT, FP32 = "int", "fp32"
_INTEGER_BITS = ("weight_bits", "activation_bits", "first_weight_bits", "classifier_weight_bits")


class ResNetModel(ModelSpec):
    """A residual network as in Brevitas' examples: a convolution, stages of blocks, a classifier.

    Stage i has `blocks[i]` blocks with width * 2**i channels. All stages but the first begin with
    stride 2. The input is the integer image itself, without a quantiser.
    """

    family: Literal["resnet"]
    """Residual network."""
    width: int = Field(default=64, ge=1, le=1024)
    """Channels of the first convolution and of the first stage. Each further stage has twice as
    many as the one before."""
    blocks: Annotated[
        tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=6)
    ] = (2, 2, 2, 2)
    """Number of residual blocks of each stage."""
    classes: int = Field(default=10, ge=2, le=1024)
    """Number of classes."""
    number_format: str = Field(default=INT, pattern=rf"^({INT}|{FP32}|e[1-6]m([1-9]|10))$")
    """Format of weights and activations. "int": integers, of as many bits as the fields below say.
    "eXmY": minifloats of a sign, X exponent and Y mantissa bits, for the weights of all
    convolutions and of the classifier and for all activations. e4m3 and e5m2 are FP8 as the OCP
    defines it; the others have no codes for infinity or NaN. X is at most 6 and Y at most 10, so
    that the gradients of the scales are fp32 numbers. "fp32": no quantisers. Networks with
    minifloats or fp32 can be trained, evaluated and exported, but get no hardware."""
    weight_bits: int | None = Field(default=None, ge=2, le=8)
    """Bits of the weights, but for the first and the last layer. Required for integers; as all bits
    it must be left out for other number formats."""
    activation_bits: int | None = Field(default=None, ge=2, le=8)
    """Bits of the activations. Required for integers."""
    first_weight_bits: int = Field(default=8, ge=2, le=8)
    """Bits of the weights of the first convolution, for integers."""
    classifier_weight_bits: int = Field(default=8, ge=2, le=8)
    """Bits of the weights of the classifier, for integers."""

    @model_validator(mode="after")
    def _bits_are_of_integers(self) -> Self:
        for name in _INTEGER_BITS:
            value, default = getattr(self, name), type(self).model_fields[name].default
            if self.number_format == INT and value is None:
                raise ValueError(f"{name}: missing; it has no default")
            if self.number_format != INT and value != default:
                raise ValueError(
                    f"{name} = {value}: only integers have it; leave it out with number_format = "
                    f'"{self.number_format}", or use number_format = "{INT}"'
                )
        return self

    def minifloat(self) -> tuple[int, int] | None:
        """Exponent and mantissa bits of the minifloats, or None for integers and fp32."""
        if self.number_format in (INT, FP32):
            return None
        exponent, mantissa = self.number_format.removeprefix("e").split("m")
        return int(exponent), int(mantissa)

    def no_hardware(self) -> str | None:
        if self.number_format == INT:
            return None
        return (
            f"model.number_format = {self.number_format!r}: no accelerator can be built, because "
            "hardware layers compute with integers, not with floating-point numbers; ./doit train "
            f'and ./doit export work; for hardware use number_format = "{INT}" with weight_bits '
            "and activation_bits, as network=resnet18_4w4a does"
        )

    def feature_map(self, shape: Shape) -> tuple[int, int, int]:
        """Height, width and channels of the average pool's input, for images of `shape`."""
        halvings = len(self.blocks) - 1
        height, width = (-(-size // (1 << halvings)) for size in shape[:2])
        return height, width, self.width << halvings
