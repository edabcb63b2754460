"""What an evaluation looks at."""

from __future__ import annotations

from pydantic import Field, field_validator

from specs.base import Spec

LEVELS = ("brevitas", "qonnx", "reference", "rtl")
PREFIX = "evaluate-"
"""Of the names of the stages, in front of the level."""


class EvaluationSpec(Spec):
    """What `./doit evaluate` looks at."""

    level: str = "brevitas,qonnx,reference"
    """One of LEVELS, or several with commas: the trained module, what was exported, the integer
    hardware graph, the simulated accelerator."""
    images: int | None = Field(default=None, ge=1)
    """So many of the first test images; None: all."""

    @field_validator("level")
    @classmethod
    def _known(cls, level: str) -> str:
        unknown = [word for word in level.split(",") if word not in LEVELS]
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; allowed: {', '.join(LEVELS)}")
        return level
