"""The layers of residual networks in each number format: integers, minifloats, fp32."""

from __future__ import annotations

from typing import Any

from brevitas.inject.enum import ScalingImplType
from brevitas.nn import QuantConv2d, QuantLinear, QuantReLU, TruncAvgPool2d
from brevitas.quant import (
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    Int32Bias,
    TruncTo8bit,
    Uint8ActPerTensorFloat,
)
from brevitas.quant.float_quant_ocp import (
    FpOCPActPerTensorFloat,
    FpOCPWeightPerChannelFloat,
    FpOCPWeightPerTensorFloat,
)
from torch import nn

from specs.models import FP32, ResNetModel

FIRST_RANGE = 4.0
"""The greatest activation before training changes it: four deviations of a fresh batch norm's
output."""


def layers(spec: ResNetModel) -> Layers:
    """The layers for the spec's number format."""
    if spec.number_format == FP32:
        return Layers()
    if (bits := spec.minifloat()) is not None:
        return _Minifloats(*bits)
    return _Integers(spec)


class Layers:
    """Makes the layers of a residual network. This class makes those of fp32: torch's own."""

    def conv(
        self, fan_in: int, fan_out: int, kernel: int, stride: int = 1, *, first: bool = False
    ) -> nn.Module:
        """A convolution that keeps a map's size at stride 1. first: whether it reads the image."""
        del first  # one format for all
        return nn.Conv2d(fan_in, fan_out, kernel, **_geometry(kernel, stride))

    def relu(self) -> nn.Module:
        return nn.ReLU()

    def pool(self, size: int) -> nn.Module:
        """The average over a whole feature map of size x size."""
        return nn.AvgPool2d(size)

    def linear(self, fan_in: int, fan_out: int) -> nn.Module:
        return nn.Linear(fan_in, fan_out)


def _geometry(kernel: int, stride: int) -> dict[str, Any]:
    return {"stride": stride, "padding": kernel // 2, "bias": False}


class _MinifloatActivation(FpOCPActPerTensorFloat):  # type: ignore[misc]
    """Its range is a parameter from the start, not a statistic: training resumes exactly."""

    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = FIRST_RANGE


class _Minifloats(Layers):
    """Weights and activations are minifloats; sums, norms, the average and the bias are fp32."""

    def __init__(self, exponent: int, mantissa: int) -> None:
        self._format = {
            "bit_width": 1 + exponent + mantissa,
            "exponent_bit_width": exponent,
            "mantissa_bit_width": mantissa,
        }

    def conv(
        self, fan_in: int, fan_out: int, kernel: int, stride: int = 1, *, first: bool = False
    ) -> nn.Module:
        del first
        weights = FpOCPWeightPerChannelFloat.let(**self._format)
        geometry = _geometry(kernel, stride)
        layer: nn.Module = QuantConv2d(fan_in, fan_out, kernel, weight_quant=weights, **geometry)
        return layer

    def relu(self) -> nn.Module:
        layer: nn.Module = QuantReLU(act_quant=_MinifloatActivation.let(**self._format))
        return layer

    def linear(self, fan_in: int, fan_out: int) -> nn.Module:
        weights = FpOCPWeightPerTensorFloat.let(**self._format)
        layer: nn.Module = QuantLinear(fan_in, fan_out, bias=True, weight_quant=weights)
        return layer


class _IntegerActivation(Uint8ActPerTensorFloat):  # type: ignore[misc]
    """Its range is a parameter from the start, as that of minifloats."""

    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = FIRST_RANGE


class _Integers(Layers):
    def __init__(self, spec: ResNetModel) -> None:
        self._spec = spec

    def conv(
        self, fan_in: int, fan_out: int, kernel: int, stride: int = 1, *, first: bool = False
    ) -> nn.Module:
        layer: nn.Module = QuantConv2d(
            fan_in,
            fan_out,
            kernel,
            weight_quant=Int8WeightPerChannelFloat,
            weight_bit_width=self._spec.first_weight_bits if first else self._spec.weight_bits,
            **_geometry(kernel, stride),
        )
        return layer

    def relu(self) -> nn.Module:
        layer: nn.Module = QuantReLU(
            act_quant=_IntegerActivation,
            bit_width=self._spec.activation_bits,
            return_quant_tensor=True,
        )
        return layer

    def pool(self, size: int) -> nn.Module:
        # its sum cut to 8 bits, which is what FINN has a layer for
        layer: nn.Module = TruncAvgPool2d(
            kernel_size=size, trunc_quant=TruncTo8bit, float_to_int_impl_type="FLOOR"
        )
        return layer

    def linear(self, fan_in: int, fan_out: int) -> nn.Module:
        layer: nn.Module = QuantLinear(
            fan_in,
            fan_out,
            weight_bit_width=self._spec.classifier_weight_bits,
            bias=True,
            bias_quant=Int32Bias,
            weight_quant=Int8WeightPerTensorFloat,
        )
        return layer
