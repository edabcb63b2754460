"""What the engine `vivado` is asked for, and all that a run of a vendor's tool depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from specs.base import Spec


class VivadoSpec(Spec):
    """The fields of a target that only engine=vivado has."""

    hardware: Literal["rtl", "finn"] = "rtl"
    """What becomes hardware. "rtl" is our own Verilog and AXI shell, without HLS. "finn" is FINN's
    own flow: Vitis HLS and its RTL library, stitched, in its Zynq shell."""
    strategy: Literal["default", "quick", "area", "speed"] = "default"
    """The directives of synthesis, placement and routing: "quick" ends earliest, "area" saves LUTs,
    "speed" works longest for the clock."""
    incremental: Literal["off", "on"] = "off"
    """Whether the last routed design of the same unit is the start of the next placement. It saves
    time after small changes, but then the result depends on what was built before."""
    ram_style: Literal["fold", "block", "distributed"] = "fold"
    """Where memories of weights and thresholds lie. "fold" is what the folding chose for each
    layer, and what its cost counts."""


class VendorTarget(VivadoSpec):
    """All of the specs that a vendor's tool depends on; units of other engines have none."""

    board: str
    """The board's name."""
    part: str
    """The FPGA, as the vendor's tools call it."""
    family: Literal["zynq-7000", "zynq-us+"]
    """The family of the FPGA."""
    board_part: str | None = None
    """What the vendor's board files call the board."""
    memory_port_bits: int = Field(gt=0)
    """Width in bits of the memory port."""
    clock_mhz: float = Field(gt=0)
    """Clock of the accelerator in MHz."""
    lut: int
    ff: int
    bram36: int
    dsp: int
