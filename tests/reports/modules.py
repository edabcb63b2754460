"""Modules of a user's own, with Brevitas' layers: of untrained weights, but with statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU, TruncAvgPool2d
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
)
from torch import nn

WEIGHTS: dict[str, Any] = {
    "bias": False,
    "weight_bit_width": 3,
    "weight_quant": Int8WeightPerTensorFloat,
}


class WholeRange(Int8WeightPerTensorFloat):  # type: ignore[misc]
    """Weights that hold the least integer of their bits, too."""

    narrow_range = False


def settled(*layers: nn.Module, side: int = 6) -> nn.Module:
    """The layers with scales and batch norms from data, and with factors of both signs."""
    torch.manual_seed(5)
    model = nn.Sequential(*layers)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.reset_parameters()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # the mean of all that it saw
    model.train()
    for _ in range(8):
        model(torch.rand(16, 1, side, side))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.weight.data.uniform_(-1.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
        if isinstance(module, QuantConv2d | QuantLinear) and module.bias is not None:
            module.bias.data.uniform_(-0.3, 0.3)
    model.eval()
    with torch.no_grad():  # layers that keep what they saw at the last inference
        model(torch.rand(1, 1, side, side))
    return model


def convolution(
    behind: Callable[[int], list[nn.Module]], features: int, **more: Any
) -> Callable[[], nn.Module]:
    """A convolution of 4 channels on quantised inputs, what is behind it, and a dense layer."""

    def build() -> nn.Module:
        return settled(
            QuantIdentity(bit_width=8, return_quant_tensor=True),
            QuantConv2d(1, 4, 3, **(WEIGHTS | {"return_quant_tensor": True} | more)),
            *behind(4),
            nn.Flatten(),
            QuantLinear(features, 4, **WEIGHTS),
        )

    return build


def normed(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), QuantReLU(bit_width=3)]


def pooled_first(channels: int) -> list[nn.Module]:
    return [nn.MaxPool2d(2), *normed(channels)]


def signed_last(channels: int) -> list[nn.Module]:
    """BinaryNet's own order."""
    return [
        nn.MaxPool2d(2),
        nn.BatchNorm2d(channels),
        QuantIdentity(act_quant=SignedBinaryActPerTensorConst, bit_width=1, scaling_init=1.0),
    ]


def whole_range() -> Callable[[], nn.Module]:
    return convolution(normed, 64, weight_quant=WholeRange)


def with_bias(bias: Any, **more: Any) -> Callable[[], nn.Module]:
    """A convolution with a bias that is quantised by `bias`."""
    return convolution(lambda _: [QuantReLU(bit_width=3)], 64, bias=True, bias_quant=bias, **more)


def dense_with_bias(bias: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        layer = WEIGHTS | {"bias": True, "bias_quant": bias, "return_quant_tensor": True}
        return settled(
            nn.Flatten(),
            QuantIdentity(bit_width=8, return_quant_tensor=True),
            QuantLinear(36, 8, **layer),
            QuantReLU(bit_width=3, return_quant_tensor=True),
            QuantLinear(8, 4, **(layer | {"return_quant_tensor": False})),
        )

    return build


def binary(scale: float) -> Callable[[], nn.Module]:
    """Signs times a factor, of weights and activations."""
    act = {"act_quant": SignedBinaryActPerTensorConst, "scaling_init": scale}
    weights = {
        "bias": False,
        "weight_quant": SignedBinaryWeightPerTensorConst,
        "weight_scaling_init": scale,
    }

    def build() -> nn.Module:
        return settled(
            nn.Flatten(),
            QuantIdentity(bit_width=8, act_quant=Int8ActPerTensorFloat),
            QuantLinear(36, 8, **weights),
            nn.BatchNorm1d(8),
            QuantIdentity(**act),
            QuantLinear(8, 8, **weights),
            nn.BatchNorm1d(8),
            QuantIdentity(**act),
            QuantLinear(8, 4, **weights),
        )

    return build


def averaged(**more: Any) -> Callable[[], nn.Module]:
    """TruncAvgPool2d as Brevitas makes it, and with a rounding of its own."""

    def behind(channels: int) -> list[nn.Module]:
        return [
            nn.BatchNorm2d(channels),
            QuantReLU(bit_width=4, return_quant_tensor=True),
            TruncAvgPool2d(4, bit_width=4, **more),
        ]

    return convolution(behind, 4)


def own_input_quantisers(relu_first: bool) -> Callable[[], nn.Module]:
    """Signed quantisers inside the layers, behind a ReLU or before it."""
    layer = {"input_quant": Int8ActPerTensorFloat, "weight_bit_width": 4, "bias": True}

    def build() -> nn.Module:
        between = [nn.ReLU()] if relu_first else [QuantReLU(bit_width=4)]
        return settled(
            nn.Flatten(),
            QuantLinear(36, 8, **layer),
            *between,
            QuantLinear(8, 8, **layer),
            *between,
            QuantLinear(8, 4, **layer),
        )

    return build


def statistics() -> Callable[[], nn.Module]:
    """Two layers whose scales are all statistics of what they saw."""
    layer = {"bias": True, "weight_bit_width": 4, "weight_quant": Int8WeightPerChannelFloat}

    def build() -> nn.Module:
        return settled(
            nn.Flatten(),
            QuantIdentity(bit_width=4),
            QuantLinear(36, 8, **layer),
            nn.BatchNorm1d(8),
            QuantReLU(bit_width=4),
            QuantLinear(8, 4, **layer),
        )

    return build


def leaky() -> nn.Module:
    return settled(
        nn.Flatten(),
        QuantIdentity(bit_width=8),
        QuantLinear(36, 8, **WEIGHTS),
        nn.BatchNorm1d(8),
        nn.LeakyReLU(),
        QuantIdentity(bit_width=4),
        QuantLinear(8, 4, **WEIGHTS),
    )


def norm_last() -> nn.Module:
    return settled(
        nn.Flatten(),
        QuantIdentity(bit_width=8),
        QuantLinear(36, 8, **WEIGHTS),
        QuantReLU(bit_width=4),
        QuantLinear(8, 4, **WEIGHTS),
        nn.BatchNorm1d(4),
    )


class Ways(nn.Module):
    """A residual sum, whose ways have one quantiser each or share one."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.before = nn.Sequential(
            QuantIdentity(bit_width=8), QuantConv2d(1, 4, 3, **WEIGHTS), QuantReLU(bit_width=4)
        )
        self.way = QuantConv2d(4, 4, 3, padding=1, **WEIGHTS)
        self.norm = nn.BatchNorm2d(4)
        self.first = QuantIdentity(bit_width=4)
        self.second = self.first if shared else QuantIdentity(bit_width=4)
        self.after = QuantReLU(bit_width=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.before(x)
        found: torch.Tensor = self.after(self.first(self.norm(self.way(x))) + self.second(x))
        return found


def residual(shared: bool) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        torch.manual_seed(5)
        return settled(Ways(shared), nn.Flatten(), QuantLinear(64, 4, **WEIGHTS))

    return build


def lopsided() -> Callable[[], nn.Module]:
    """ZeroPad2d on two sides, as Keras pads for even kernels."""

    def behind(channels: int) -> list[nn.Module]:
        return [
            nn.BatchNorm2d(channels),
            QuantReLU(bit_width=3),
            nn.ZeroPad2d((0, 1, 0, 1)),
            QuantConv2d(channels, channels, 2, **WEIGHTS),
            nn.BatchNorm2d(channels),
            QuantReLU(bit_width=3),
        ]

    return convolution(behind, 64)


def with_dropout() -> Callable[[], nn.Module]:
    return convolution(lambda channels: [*normed(channels), nn.Dropout(0.3)], 64)
