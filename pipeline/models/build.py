"""From a model spec to its module: one line for each family of networks."""

from __future__ import annotations

from math import prod

from torch import nn

from pipeline.models.cnv import Cnv
from pipeline.models.fc import Fc
from pipeline.models.resnet import ResNet
from specs.network import CnvModel, FcModel, InputSpec, ResNetModel


def build(model: FcModel | CnvModel | ResNetModel, contract: InputSpec) -> nn.Module:
    """An untrained module; its weights are drawn from torch's global generator.

    It takes float32 [N, C, H, W], what the images mean to the network, and gives the scores of the
    classes, float32 [N, classes].
    """
    if isinstance(model, CnvModel):
        return Cnv(model, contract.shape)
    if isinstance(model, ResNetModel):
        return ResNet(model, contract.shape)
    return Fc(
        inputs=prod(contract.shape),
        hidden=model.hidden,
        classes=model.classes,
        weight_bits=model.weight_bits,
        activation_bits=model.activation_bits,
        input_bits=model.input_bits,
        dropout=model.dropout,
    )
