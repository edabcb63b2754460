"""Loads a module from a function in the user's own Python file."""

from __future__ import annotations

import copy
import importlib.util
import traceback
from pathlib import Path

import torch
from torch import nn

from pipeline.errors import PipelineError
from specs.input import InputSpec
from specs.models import FactoryModel


def load(spec: FactoryModel, contract: InputSpec, path: Path) -> nn.Module:
    """The module that `spec.function` in the file `path` returns.

    Raises PipelineError if the file or the function fails (with the user's own lines of the
    traceback), or if the module does not take images of the contract or does not return scores [N,
    classes].
    """
    where = f"{path}: {spec.function}"
    try:
        loaded = importlib.util.spec_from_file_location("user_network", path)
        if loaded is None or loaded.loader is None:
            raise PipelineError(f"{path}: no Python file; its name must end with .py")
        module = importlib.util.module_from_spec(loaded)
        loaded.loader.exec_module(module)
    except PipelineError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is told as theirs
        raise PipelineError(f"{path}: cannot be run: {_told(error, path)}") from None
    function = getattr(module, spec.function, None)
    if not callable(function):
        own = {name for name, value in vars(module).items() if callable(value) and name[0] != "_"}
        found = sorted(
            own & {name for name in own if vars(module)[name].__module__ == "user_network"}
        )
        raise PipelineError(f"{where}: no such function; there are {', '.join(found) or 'none'}")
    try:
        network = function(**spec.arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001
        raise PipelineError(f"{where}: fails: {_told(error, path)}") from None
    if not isinstance(network, nn.Module):
        raise PipelineError(f"{where}: returns {type(network).__name__}, not a torch.nn.Module")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise PipelineError(f"{where}: its module has no parameters to train")
    *size, channels = contract.shape
    images = torch.zeros(2, channels, *size)
    trains = network.training
    try:
        with torch.no_grad():
            scores = network.eval()(images)
    except Exception as error:  # noqa: BLE001
        raise PipelineError(
            f"{where}: its module fails on inputs {list(images.shape)}: {_told(error, path)}"
        ) from None
    network.train(trains)
    if not isinstance(scores, torch.Tensor):
        raise PipelineError(
            f"{where}: its module gives a {type(scores).__name__}, not a tensor; the last layer "
            "must not have return_quant_tensor=True"
        )
    _require_a_step(network, images, path, where)
    if tuple(scores.shape) != (2, spec.classes):
        raise PipelineError(
            f"{where}: its module gives {list(scores.shape)} for 2 inputs, not [2, "
            f"{spec.classes}]; model.classes = {spec.classes}"
        )
    return network


def _require_a_step(network: nn.Module, images: torch.Tensor, path: Path, where: str) -> None:
    """Tries one training step on a copy. Raises PipelineError if the user's code fails."""
    state = torch.get_rng_state()
    trial = copy.deepcopy(network).train()
    try:
        trial(images).sum().backward()
        getattr(trial, "after_step", lambda: None)()
    except Exception as error:  # noqa: BLE001
        raise PipelineError(f"{where}: a step of training fails: {_told(error, path)}") from None
    torch.set_rng_state(state)


def _told(error: BaseException, path: Path) -> str:
    """The error, and the line of the user's file where it happened."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
             if frame.filename == str(path)]  # fmt: skip
    place = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{place}"
