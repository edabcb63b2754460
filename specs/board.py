"""The spec of a board: its part, its resources, and how much of them a network may take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from specs.base import Identifier, Spec
from specs.vivado import VendorTarget, VivadoSpec


class BoardSpec(Spec):
    """One board, as in specs/boards/*.toml or a user's own file. Counts are from the data sheet."""

    name: Identifier
    """The board's name, as `board=` takes it."""
    description: str = ""
    """A few words for the reader; nothing depends on them."""
    part: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")
    """The FPGA, as its vendor's tools call it: "xc7z020clg400-1"."""
    family: Literal["zynq-7000", "zynq-us+"]
    """The family of the FPGA. Synthesis maps the design to the cells of this family."""
    board_part: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+){3}$")
    """What the vendor's board files call the board: "www.digilentinc.com:pynq-z1:part0:1.0". Only
    engine=vivado looks at it."""
    lut: int = Field(gt=0)
    """Number of LUTs."""
    ff: int = Field(gt=0)
    """Number of flip-flops."""
    bram36: int = Field(gt=0)
    """Number of block RAMs of 36 Kbit."""
    dsp: int = Field(ge=0)
    """Number of DSP slices."""
    uram: int = Field(default=0, ge=0)
    """Number of UltraRAMs."""
    memory_port_bits: Literal[32, 64, 128]
    """Width in bits of the high-performance memory port that feeds the accelerator. It delivers one
    such word per clock cycle."""
    clock_mhz: float = Field(default=100, gt=0, le=1000)
    """Clock of the accelerator in MHz, unless `target.clock_mhz` says otherwise."""
    lut_share: Annotated[float, Field(gt=0, le=1)] = 0.85
    """Share of the LUTs that the network and its AXI shell may take. The rest is for the router and
    for the error of the estimates."""
    bram_share: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Share of the block RAMs that they may take."""


class TargetSpec(Spec):
    """What is asked of the accelerator on a board: its engine, speed and clock."""

    engine: Literal["open", "vivado"] = "open"
    """What turns the folded network into hardware. "open" uses our Verilog library and Yosys, and
    makes no bitfile. "vivado" uses the vendor's tools, which must be installed."""
    fps: float | None = Field(default=None, gt=0, le=1e9)
    """Images per second to reach with the least hardware. Without it the accelerator is as fast as
    the budget of the board allows."""
    clock_mhz: float | None = Field(default=None, gt=0, le=1000)
    """Clock of the accelerator in MHz. Without it the board's `clock_mhz` is used."""
    signatures: Literal["off", "on"] = "off"
    """Whether every stream has a signature register, a checksum of all its beats that software can
    read. With them `diagnose` finds the first layer that is wrong on the board. Each takes 30 to 50
    LUTs, and more where a beat has over 128 bits."""
    costs: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """The sha256 of a file of factors that `./doit calibrate` learned from builds, by which the
    folding corrects its estimates of LUTs; the command line gives the path: costs=FILE."""
    vivado: VivadoSpec = VivadoSpec()
    """What only engine=vivado has."""

    @property
    def provider(self) -> str:
        """The key of the engine's provider: see pipeline/engines."""
        return self.engine if self.engine == "open" else f"{self.engine}.{self.vivado.hardware}"


def vendor_target(board: BoardSpec, target: TargetSpec) -> VendorTarget | None:
    """What a vendor's tool depends on; None if the target's engine uses none."""
    if target.engine == "open":
        return None
    of_board = ("part", "family", "board_part", "memory_port_bits", "lut", "ff", "bram36", "dsp")
    return VendorTarget(
        board=board.name,
        clock_mhz=target.clock_mhz or board.clock_mhz,
        **{name: getattr(board, name) for name in of_board},
        **target.vivado.model_dump(),
    )
