"""The specs of models: one file for each family of networks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from specs.models.cnv import CnvModel, ConvLayer, DenseLayer
from specs.models.factory import FactoryModel
from specs.models.fc import FcModel
from specs.models.qonnx import Layout, QonnxModel
from specs.models.resnet import FP32, ResNetModel

AnyModel = FcModel | CnvModel | ResNetModel | FactoryModel | QonnxModel
Model = Annotated[AnyModel, Field(discriminator="family")]

__all__ = [
    "FP32",
    "AnyModel",
    "CnvModel",
    "ConvLayer",
    "DenseLayer",
    "FactoryModel",
    "FcModel",
    "Layout",
    "Model",
    "QonnxModel",
    "ResNetModel",
]
