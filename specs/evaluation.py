"""The spec of an evaluation: at which levels, on how many images."""

from __future__ import annotations

from pydantic import Field, field_validator

from specs.base import Spec

LEVELS = ("brevitas", "qonnx", "reference", "rtl")
PREFIX = "evaluate-"
"""Prefix of the names of the evaluation stages; the level follows."""


class EvaluationSpec(Spec):
    """At which levels `./doit evaluate` measures the accuracy, and on how many images."""

    level: str = "brevitas,qonnx,reference"
    """One level, or several with commas. "brevitas" is the trained module, "qonnx" the exported
    file, "reference" the integer hardware graph, "rtl" the simulated accelerator."""
    images: int | None = Field(default=None, ge=1)
    """Use only so many test images, drawn so that each class has its share. Without it all are
    used."""

    @field_validator("level")
    @classmethod
    def _known(cls, level: str) -> str:
        unknown = [word for word in level.split(",") if word not in LEVELS]
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; allowed: {', '.join(LEVELS)}")
        return level
