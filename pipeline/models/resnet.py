"""Residual networks as in Brevitas' examples: ResNet18 and any other width and depth.

Parameter names are those of brevitas_examples.bnn_pynq, so that its published weights load. A ReLU
stands on either side of every addition, and both share one quantiser: the sum is one of integers.
"""

from __future__ import annotations

from itertools import pairwise

from brevitas.inject.enum import ScalingImplType
from brevitas.nn import QuantConv2d, QuantLinear, QuantReLU, TruncAvgPool2d
from brevitas.quant import (
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    Int32Bias,
    TruncTo8bit,
    Uint8ActPerTensorFloat,
)
from torch import Tensor, nn

from specs.network import ResNetModel

FIRST_RANGE = 4.0
"""Greatest activation before training moves it: four deviations behind a fresh batch norm."""


class _Activation(Uint8ActPerTensorFloat):  # type: ignore[misc]
    """Its range is a parameter from the start, and no statistic: a training resumes exactly."""

    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = FIRST_RANGE


class ResNet(nn.Module):
    """spec: widths, blocks, bits. shape: height, width, channels of an image in [0, 1]."""

    def __init__(self, spec: ResNetModel, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.spec = spec
        self.conv1 = _conv(shape[2], spec.width, 3, spec.first_weight_bits)
        self.bn1 = nn.BatchNorm2d(spec.width)
        self.relu = _relu(spec)
        widths = [spec.width, *(spec.width << i for i in range(len(spec.blocks)))]
        before = self.relu
        for i, ((fan_in, width), count) in enumerate(
            zip(pairwise(widths), spec.blocks, strict=True)
        ):
            stage = nn.Sequential()
            for k in range(count):
                stride = 2 if i and not k else 1
                block = _Block(spec, width if k else fan_in, width, stride, before)
                stage.append(block)
                before = block.relu_out
            setattr(self, f"layer{i + 1}", stage)
        height, _, channels = spec.feature_map(shape)
        # its sum cut to 8 bits, which is what FINN has a layer for
        self.final_pool = TruncAvgPool2d(
            kernel_size=height, trunc_quant=TruncTo8bit, float_to_int_impl_type="FLOOR"
        )
        self.linear = QuantLinear(
            channels,
            spec.classes,
            weight_bit_width=spec.classifier_weight_bits,
            bias=True,
            bias_quant=Int32Bias,
            weight_quant=Int8WeightPerTensorFloat,
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W]. Returns scores [N, classes]."""
        x = self.relu(self.bn1(self.conv1(x)))
        for i in range(len(self.spec.blocks)):
            x = getattr(self, f"layer{i + 1}")(x)
        x = self.final_pool(x)
        scores: Tensor = self.linear(x.view(x.shape[0], -1))
        return scores


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which is a convolution where the shape changes.

    before: the quantiser of the input, whose scale the end of the convolutions shares with it.
    """

    def __init__(
        self, spec: ResNetModel, fan_in: int, width: int, stride: int, before: QuantReLU
    ) -> None:
        super().__init__()
        bits = spec.weight_bits
        self.conv1 = _conv(fan_in, width, 3, bits, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = _relu(spec)
        self.conv2 = _conv(width, width, 3, bits)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential()
        if stride != 1 or fan_in != width:
            before = _relu(spec)
            self.downsample = nn.Sequential(
                _conv(fan_in, width, 1, bits, stride), nn.BatchNorm2d(width), before
            )
        self.relu2 = before
        self.relu_out = _relu(spec)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        found: Tensor = self.relu_out(out + self.downsample(x))
        return found


def _conv(fan_in: int, fan_out: int, kernel: int, bits: int, stride: int = 1) -> QuantConv2d:
    return QuantConv2d(
        fan_in,
        fan_out,
        kernel,
        stride=stride,
        padding=kernel // 2,
        bias=False,
        weight_quant=Int8WeightPerChannelFloat,
        weight_bit_width=bits,
    )


def _relu(spec: ResNetModel) -> QuantReLU:
    return QuantReLU(
        act_quant=_Activation, bit_width=spec.activation_bits, return_quant_tensor=True
    )
