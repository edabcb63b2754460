"""Fully connected networks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from specs.models.base import ModelSpec


class FcModel(ModelSpec):
    """Fully connected layers as in BNN-PYNQ: input quantiser, hidden layers, classifier."""

    family: Literal["fc"] = "fc"
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1)]
    classes: int = Field(default=10, ge=2, le=1024)
    weight_bits: int = Field(ge=1, le=8)
    activation_bits: int = Field(ge=1, le=8)
    input_bits: int = Field(ge=1, le=8)
    dropout: float = Field(default=0.2, ge=0, lt=1)
