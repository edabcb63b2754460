"""Convolutional networks as in BNN-PYNQ: CNV, and any other width, depth, kernel and pooling.

Parameter names are those of brevitas_examples.bnn_pynq, so that its published weights load.
"""

from __future__ import annotations

from math import prod

import torch
from brevitas.core.restrict_val import RestrictValueType
from brevitas.nn import QuantConv2d, QuantIdentity
from torch import Tensor, nn

from pipeline.models.layers import activation, linear
from pipeline.models.quantisers import ActivationQuantiser, WeightQuantiser
from pipeline.models.tensor_norm import TensorNorm
from specs.models import CnvModel


class Cnv(nn.Module):
    """Input quantiser; blocks of convolution, batch norm, quantiser, max-pool; then dense layers.

    spec: widths, bits, kernels. shape: height, width and channels of an image. The input is in [0,
    1] and becomes 2x - 1, a fixed-point number with one bit before the point.
    """

    def __init__(self, spec: CnvModel, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.spec = spec
        self.conv_features = nn.ModuleList([_input(spec.input_bits)])
        channels = shape[2]
        weight_bits = iter(spec.all_weight_bits())
        for conv in spec.convolutions:
            layer = QuantConv2d(
                channels,
                conv.channels,
                conv.kernel,
                stride=conv.stride,
                padding=conv.padding,
                bias=False,
                weight_quant=WeightQuantiser,
                weight_bit_width=next(weight_bits),
            )
            nn.init.uniform_(layer.weight, -1, 1)
            channels = conv.channels
            self.conv_features += [layer, nn.BatchNorm2d(channels, eps=1e-4)]
            self.conv_features.append(activation(conv.activation_bits or spec.activation_bits))
            if conv.pool > 1:
                self.conv_features.append(nn.MaxPool2d(conv.pool))
        features = prod(spec.feature_map(shape))
        self.linear_features = nn.ModuleList()
        for dense in spec.dense:
            self.linear_features += [
                linear(features, dense.width, next(weight_bits)),
                nn.BatchNorm1d(dense.width, eps=1e-4),
                activation(dense.activation_bits or spec.activation_bits),
            ]
            features = dense.width
        self.linear_features += [linear(features, spec.classes, next(weight_bits)), TensorNorm()]

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W]. Returns scores [N, classes]."""
        x = 2.0 * x - torch.tensor([1.0], device=x.device)
        for layer in self.conv_features:
            x = layer(x)
        x = x.view(x.shape[0], -1)
        for layer in self.linear_features:
            x = layer(x)
        return x


def _input(bits: int) -> QuantIdentity:
    return QuantIdentity(
        act_quant=ActivationQuantiser,
        bit_width=bits,
        min_val=-1.0,
        max_val=1.0 - 2.0 ** (1 - bits),
        narrow_range=False,
        restrict_scaling_type=RestrictValueType.POWER_OF_TWO,
    )
