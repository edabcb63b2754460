"""Torch modules of the user's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from specs.models.base import ModelSpec


class FactoryModel(ModelSpec):
    """A torch module of the user's own, trained here: what a function in a Python file returns.

    Runs code: trust it. The file is run with all the rights of the user, by design.

    The module takes float32 [N, C, H, W] (or [N, F]), what the inputs mean, and gives scores
    [N, classes]. Quantised layers are Brevitas'. A method `after_step()` of it, if there is one, is
    called behind each step of training, e.g. to clip weights.
    """

    family: Literal["factory"]
    file: str
    """A Python file, relative to this one; in a job, its sha256."""
    function: str = "build"
    """Takes `arguments` by name and returns the module, its weights from torch's generator."""
    arguments: dict[str, int | float | str | bool] = Field(default_factory=dict)
    classes: int = Field(default=10, ge=2, le=1024)
