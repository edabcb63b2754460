"""The spec of convolutional networks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from specs.base import Spec
from specs.input import Shape
from specs.models.base import ModelSpec


class ConvLayer(Spec):
    """One convolution with its batch norm, activation and max-pool."""

    channels: int = Field(ge=1, le=4096)
    """Number of output channels."""
    kernel: int = Field(default=3, ge=1, le=15)
    """Height and width of the kernel."""
    stride: int = Field(default=1, ge=1, le=15)
    """Stride in both directions."""
    padding: int = Field(default=0, ge=0, le=7)
    """Rows and columns of zeros that are added on every side."""
    pool: int = Field(default=1, ge=1, le=15)
    """Size and stride of the max-pool after the activation. 1 means no pooling."""
    weight_bits: int | None = Field(default=None, ge=1, le=8)
    """Bits of this layer's weights. Without it the model's `weight_bits` holds."""
    activation_bits: int | None = Field(default=None, ge=1, le=8)
    """Bits of this layer's activations. Without it the model's `activation_bits` holds."""


class DenseLayer(Spec):
    """One fully connected layer with its batch norm and activation."""

    width: int = Field(ge=1, le=8192)
    """Number of neurons."""
    weight_bits: int | None = Field(default=None, ge=1, le=8)
    """Bits of this layer's weights. Without it the model's `weight_bits` holds."""
    activation_bits: int | None = Field(default=None, ge=1, le=8)
    """Bits of this layer's activations. Without it the model's `activation_bits` holds."""


class CnvModel(ModelSpec):
    """Convolutions, then fully connected layers, then a classifier, as in BNN-PYNQ's CNV."""

    family: Literal["cnv"]
    """Convolutional network."""
    convolutions: Annotated[tuple[ConvLayer, ...], Field(min_length=1)]
    """The convolutions, from the input on."""
    dense: tuple[DenseLayer, ...] = ()
    """The hidden fully connected layers between the convolutions and the classifier."""
    classes: int = Field(default=10, ge=2, le=1024)
    """Number of classes."""
    weight_bits: int = Field(ge=1, le=8)
    """Bits of the weights of all layers that do not say otherwise."""
    activation_bits: int = Field(ge=1, le=8)
    """Bits of the activations of all layers that do not say otherwise."""
    input_bits: int = Field(default=8, ge=2, le=8)
    """Bits of the quantised input, a signed fixed-point number with one bit before the point: Q1.7
    for 8 bits."""
    first_weight_bits: int | None = Field(default=None, ge=1, le=8)
    """Bits of the weights of the first convolution, unless it has its own `weight_bits`. Without it
    the model's `weight_bits` holds."""
    classifier_weight_bits: int | None = Field(default=None, ge=1, le=8)
    """Bits of the weights of the classifier. Without it the model's `weight_bits` holds."""

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
        """Height, width and channels of the last convolution's output, for images of `shape`.

        Raises ValueError if a kernel or a pool is larger than its input.
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
