"""The spec of fully connected networks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from specs.models.base import ModelSpec


class FcModel(ModelSpec):
    """Fully connected layers as in BNN-PYNQ: input quantiser, hidden layers, classifier."""

    family: Literal["fc"] = "fc"
    """Fully connected network."""
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1)]
    """Number of neurons of each hidden layer."""
    classes: int = Field(default=10, ge=2, le=1024)
    """Number of classes."""
    weight_bits: int = Field(ge=1, le=8)
    """Bits of the weights of all layers."""
    activation_bits: int = Field(ge=1, le=8)
    """Bits of the activations of all hidden layers."""
    input_bits: int = Field(ge=1, le=8)
    """Bits of the quantised input."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Probability with which training drops an activation."""
