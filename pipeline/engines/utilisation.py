"""Counts the cells of a netlist as resources of an FPGA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pipeline.errors import PipelineError

LUTS = {
    **{f"LUT{n}": 1 for n in range(1, 7)},
    "SRL16E": 1,
    "SRLC32E": 1,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
}
"""LUTs that a cell occupies, including LUT RAM and shift registers (UG474, UG574)."""
FFS = {"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1}
BRAM18 = {"RAMB18E1": 1, "RAMB18E2": 1, "RAMB36E1": 2, "RAMB36E2": 2}
DSPS = {"DSP48E1": 1, "DSP48E2": 1}
MUXFS = {"MUXF7": 1, "MUXF8": 1, "MUXF9": 1}
CARRIES = {"CARRY4": 1, "CARRY8": 1}
INVERTERS = {"INV": 1}
"""Yosys keeps inverters as cells; a vendor's mapper merges most of them into LUTs and FFs."""
KINDS = (LUTS, FFS, BRAM18, DSPS, MUXFS, CARRIES, INVERTERS)
"""For each resource, how much of it a cell takes, in the order of `Utilisation`."""


@dataclass(frozen=True)
class Utilisation:
    """Resources of a netlist. bram36 may be a half; muxf, carry and inv are not LUTs."""

    lut: int = 0
    ff: int = 0
    bram36: float = 0
    dsp: int = 0
    muxf: int = 0
    carry: int = 0
    inv: int = 0

    @staticmethod
    def of(cells: Mapping[str, int]) -> Utilisation:
        """Resources of cells, counted by type. Raises PipelineError for an unknown type."""
        unknown = [name for name in cells if not any(name in kind for kind in KINDS)]
        if unknown:
            raise PipelineError(f"netlist: unknown types of cells: {', '.join(sorted(unknown))}")
        lut, ff, bram18, dsp, muxf, carry, inv = (
            sum(count * kind.get(name, 0) for name, count in cells.items()) for kind in KINDS
        )
        return Utilisation(lut, ff, bram18 / 2, dsp, muxf, carry, inv)

    def document(self) -> dict[str, int | float]:
        return asdict(self)
