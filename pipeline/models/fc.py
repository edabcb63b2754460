"""Fully connected networks as in BNN-PYNQ: TFC, SFC, LFC, and any other width and depth.

Parameter names are those of brevitas_examples.bnn_pynq, so that its published weights load.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from brevitas.nn import QuantLinear
from torch import Tensor, nn

from pipeline.models.layers import activation, linear
from pipeline.models.tensor_norm import TensorNorm


class Fc(nn.Module):
    """Input quantiser; blocks of linear, batch norm, quantiser and dropout; then a classifier.

    inputs: number of values in one image. All bits are 1 or more. The input is in [0, 1] and
    becomes 2x - 1.
    """

    def __init__(
        self,
        *,
        inputs: int,
        hidden: Sequence[int],
        classes: int,
        weight_bits: int,
        activation_bits: int,
        input_bits: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.weight_bits = weight_bits
        self.activation_bits = activation_bits
        self.input_bits = input_bits
        self.dropout = dropout
        layers: list[nn.Module] = [activation(input_bits), nn.Dropout(dropout)]
        for fan_in, fan_out in pairwise((inputs, *hidden)):
            layers += [
                linear(fan_in, fan_out, weight_bits),
                nn.BatchNorm1d(fan_out),
                activation(activation_bits),
                nn.Dropout(dropout),
            ]
        layers += [linear(hidden[-1], classes, weight_bits), TensorNorm()]
        self.features = nn.ModuleList(layers)

    def linears(self) -> list[QuantLinear]:
        return [layer for layer in self.features if isinstance(layer, QuantLinear)]

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W] or [N, inputs]. Returns scores [N, classes]."""
        x = 2.0 * x.view(x.shape[0], -1) - torch.tensor([1.0], device=x.device)
        for layer in self.features:
            x = layer(x)
        return x
