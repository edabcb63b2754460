"""The spec of the user's own torch modules."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from specs.models.base import ModelSpec


class FactoryModel(ModelSpec):
    """The user's own torch module, which a function in a Python file returns. It is trained here.

    Runs code: trust it. The file is run with all the rights of the user, by design.

    The module takes float32 [N, C, H, W] (or [N, F]), the values that the input's integers stand
    for, and returns scores [N, classes]. Its quantised layers are Brevitas'. If it has a method
    `after_step()`, training calls it after each step, for example to clip weights.
    """

    family: Literal["factory"]
    """A torch module from your own Python file. The file's code runs: use only files you trust."""
    file: str
    """Path of the Python file, relative to this TOML file. Jobs hold its sha256 instead."""
    function: str = "build"
    """Name of the function that returns the module. It is called with `arguments` by name, and
    draws the weights from torch's global generator."""
    arguments: dict[str, int | float | str | bool] = Field(default_factory=dict)
    """Arguments of the function, by name."""
    classes: int = Field(default=10, ge=2, le=1024)
    """Number of classes, that is of scores."""
