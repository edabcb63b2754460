"""The way of a network through the product, from a file or from a module of the user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from brevitas.export import export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from torch import nn

from pipeline.export.stage import to_qonnx
from pipeline.hardware.graph import HardwareGraph
from pipeline.qonnx import clean, normal, support
from pipeline.qonnx.description import describe, read
from pipeline.streamlining.graph import hardware_graph
from specs.input import InputSpec
from specs.network import Output


def model_of(path: Path) -> ModelWrapper:
    """What the stage export makes of a file for `qonnx=`."""
    original, _ = clean.without_tail(clean.clean(ModelWrapper(read(path).model)))
    support.require_supported(original, str(path))
    return normal.normalised(original, describe(path).layout)


def of_file(path: Path, contract: InputSpec, output: Output) -> HardwareGraph:
    """As the stages export and streamline do it for `qonnx=`."""
    return hardware_graph(model_of(path), "net", contract, output).graph


def of_module(module: nn.Module, path: Path, contract: InputSpec, output: Output) -> HardwareGraph:
    """As the stages export and streamline do it for `family = "factory"`; writes to `path`."""
    model = to_qonnx(module, example(contract), path)
    support.require_supported(model, "the network")
    return hardware_graph(model, "net", contract, output).graph


def exported(module: nn.Module, path: Path, contract: InputSpec) -> Path:
    """The file that a user makes with Brevitas alone."""
    export_qonnx(module, example(contract), str(path), dynamo=False)
    return path


def example(contract: InputSpec) -> torch.Tensor:
    *size, channels = contract.shape
    generator = np.random.default_rng(3)
    return torch.from_numpy(generator.random((1, channels, *size), np.float32))
