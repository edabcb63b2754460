"""A board: its part, its resources and how much of them a network may take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from specs.base import Identifier, Spec


class BoardSpec(Spec):
    """One board, as in specs/boards/*.toml or a user's own file; counts are the data sheet's."""

    name: Identifier
    description: str = ""
    part: str
    family: Literal["zynq-7000", "zynq-us+"]
    lut: int = Field(gt=0)
    ff: int = Field(gt=0)
    bram36: int = Field(gt=0)
    dsp: int = Field(ge=0)
    uram: int = Field(default=0, ge=0)
    memory_port_bits: Literal[32, 64, 128]
    """Width of the high-performance port that feeds the accelerator, bits a clock."""
    clock_mhz: float = Field(default=100, gt=0, le=1000)
    lut_share: Annotated[float, Field(gt=0, le=1)] = 0.85
    """Share of the LUTs a network may take: room for shell, router and estimate error."""
    bram_share: Annotated[float, Field(gt=0, le=1)] = 0.95


class TargetSpec(Spec):
    """What a board unit asks of its network beyond the board itself."""

    engine: Literal["open"] = "open"
    fps: float | None = Field(default=None, gt=0, le=1e9)
    """Images a second to reach with the least hardware; None: as fast as the budget allows."""
    clock_mhz: float | None = Field(default=None, gt=0, le=1000)
    """None: the board's own."""
