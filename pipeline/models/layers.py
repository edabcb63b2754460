"""The quantised layers that the BNN-PYNQ families share."""

from __future__ import annotations

from brevitas.nn import QuantIdentity, QuantLinear
from torch import nn

from pipeline.models.quantisers import ActivationQuantiser, WeightQuantiser


def activation(bits: int) -> QuantIdentity:
    return QuantIdentity(act_quant=ActivationQuantiser, bit_width=bits)


def linear(fan_in: int, fan_out: int, bits: int) -> QuantLinear:
    layer = QuantLinear(
        fan_in, fan_out, bias=False, weight_quant=WeightQuantiser, weight_bit_width=bits
    )
    # uniform over the whole range: a default initialisation starts 2-bit weights at all zeros
    nn.init.uniform_(layer.weight, -1, 1)
    return layer
