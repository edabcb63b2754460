"""Convolutional networks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from specs.base import Spec
from specs.input import Shape
from specs.models.base import ModelSpec


class ConvLayer(Spec):
    """One convolution with its batch norm, activation and pooling; bits: None is the model's."""

    channels: int = Field(ge=1, le=4096)
    kernel: int = Field(default=3, ge=1, le=15)
    stride: int = Field(default=1, ge=1, le=15)
    padding: int = Field(default=0, ge=0, le=7)
    """Rows and columns of zeros on every side."""
    pool: int = Field(default=1, ge=1, le=15)
    """Size and stride of the max-pool behind the activation; 1: none."""
    weight_bits: int | None = Field(default=None, ge=1, le=8)
    activation_bits: int | None = Field(default=None, ge=1, le=8)


class DenseLayer(Spec):
    """One fully connected layer with its batch norm and activation; bits: None is the model's."""

    width: int = Field(ge=1, le=8192)
    weight_bits: int | None = Field(default=None, ge=1, le=8)
    activation_bits: int | None = Field(default=None, ge=1, le=8)


class CnvModel(ModelSpec):
    """Convolutions, then fully connected layers, as in BNN-PYNQ's CNV."""

    family: Literal["cnv"]
    convolutions: Annotated[tuple[ConvLayer, ...], Field(min_length=1)]
    dense: tuple[DenseLayer, ...] = ()
    classes: int = Field(default=10, ge=2, le=1024)
    weight_bits: int = Field(ge=1, le=8)
    activation_bits: int = Field(ge=1, le=8)
    input_bits: int = Field(default=8, ge=2, le=8)
    """Of the input, a signed number of one bit before the point: Q1.7 for 8."""
    first_weight_bits: int | None = Field(default=None, ge=1, le=8)
    """Of the first convolution, unless that has `weight_bits` of its own."""
    classifier_weight_bits: int | None = Field(default=None, ge=1, le=8)

    def all_weight_bits(self) -> list[int]:
        """Weight bits of every layer: the convolutions, the dense layers, the classifier."""
        inner: list[ConvLayer | DenseLayer] = [*self.convolutions, *self.dense]
        bits = [layer.weight_bits or self.weight_bits for layer in inner]
        bits[0] = self.convolutions[0].weight_bits or self.first_weight_bits or self.weight_bits
        return [*bits, self.classifier_weight_bits or self.weight_bits]

    @model_validator(mode="after")
    def _pads_with_zero(self) -> Self:
        bits = self.input_bits
        for number, conv in enumerate(self.convolutions):
            if conv.padding and bits == 1:
                raise ValueError(
                    f"convolutions.{number}.padding = {conv.padding}: its input has 1 bit, -1 or "
                    "+1, and no zero to pad with; use padding = 0 or activation_bits >= 2 before it"
                )
            bits = conv.activation_bits or self.activation_bits
        return self

    def feature_map(self, shape: Shape) -> tuple[int, int, int]:
        """Height, width and channels behind the convolutions, for images of `shape`.

        ValueError: a kernel or a pool is larger than what arrives at it.
        """
        height, width, channels = shape
        for number, conv in enumerate(self.convolutions):
            sizes = []
            for size in (height, width):
                padded = size + 2 * conv.padding
                out = (padded - conv.kernel) // conv.stride + 1
                if padded < conv.kernel or out < conv.pool:
                    raise ValueError(
                        f"convolutions.{number}: kernel {conv.kernel}, stride {conv.stride}, "
                        f"padding {conv.padding}, pool {conv.pool} do not fit a feature map of "
                        f"{height}x{width}"
                    )
                sizes.append(out // conv.pool)
            height, width, channels = *sizes, conv.channels
        return height, width, channels
