"""Builds the torch module of a model spec: one line for each family of networks."""

from __future__ import annotations

from math import prod
from pathlib import Path

from torch import nn

from pipeline.job import Job
from pipeline.models import factory
from pipeline.models.cnv import Cnv
from pipeline.models.fc import Fc
from pipeline.models.resnet import ResNet
from specs.input import InputSpec
from specs.models import AnyModel, CnvModel, FactoryModel, Model, QonnxModel, ResNetModel


def build_of(job: Job) -> nn.Module:
    """The untrained module of a job's network; for a factory, from the user's own file."""
    spec: AnyModel = job.spec("network.model", Model)  # type: ignore[arg-type]
    own = job.own_file(spec.file) if isinstance(spec, FactoryModel) else None
    return build(spec, job.spec("network.input", InputSpec), own)


def build(model: AnyModel, contract: InputSpec, own: Path | None = None) -> nn.Module:
    """An untrained module; its weights are drawn from torch's global generator.

    It takes float32 [N, C, H, W] (or [N, F]), the values that the input's integers stand for, and
    returns the scores of the classes, float32 [N, classes]. own: the user's file of a FactoryModel.
    """
    if isinstance(model, FactoryModel):
        assert own is not None, "a factory is a file"
        return factory.load(model, contract, own)
    assert not isinstance(model, QonnxModel), "it is no module"
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
