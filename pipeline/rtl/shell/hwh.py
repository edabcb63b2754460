"""accelerator.hwh: the description of the hardware that pynq asks for beside a bitfile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.rtl.shell import registers


@dataclass(frozen=True)
class _Family:
    """How Vivado names the processing system of a family. pll_mhz: what feeds its clocks."""

    arch: str
    instance: str
    module: str
    version: str
    master: str
    pll_mhz: float


_FAMILIES = {
    "zynq-7000": _Family(
        "zynq", "processing_system7_0", "processing_system7", "5.5", "M_AXI_GP0", 1000
    ),
    "zynq-us+": _Family(
        "zynquplus", "zynq_ultra_ps_e_0", "zynq_ultra_ps_e", "3.5", "M_AXI_HPM0_FPD", 1500
    ),
}
_CLOCKS = range(4)
_MOST_DIVISOR = 63


@dataclass(frozen=True)
class _Slave:
    name: str
    kind: str
    base: int

    @property
    def high(self) -> int:
        return self.base + registers.PAGE - 1


def hwh(
    part: str,
    family: str,
    clock_mhz: float,
    port_bits: int,
    processor: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The text of the file.

    processor: parameters of the processing system by name, which take the place of ours.
    """
    base = registers.BASE[family]
    device, _, package = part.removeprefix("xc").partition("-")
    environment = Environment(
        loader=PackageLoader("pipeline.rtl.shell", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("accelerator.hwh.j2").render(
        family=_FAMILIES[family],
        device=device,
        package=package,
        parameters={**_parameters(family, clock_mhz, port_bits), **processor},
        slaves=[_Slave(name, kind, base + page) for name, kind, page in registers.SLAVES],
    )


def _parameters(family: str, clock_mhz: float, port_bits: int) -> dict[str, str | int | float]:
    """What pynq reads of the processing system. Only clock 0 is used."""
    first, second = _divisors(_FAMILIES[family].pll_mhz, clock_mhz)
    found: dict[str, str | int | float] = {}
    for clock in _CLOCKS:
        used = clock == 0
        divisors = (first, second) if used else (1, 1)
        if family == "zynq-7000":
            found[f"PCW_FPGA_FCLK{clock}_ENABLE"] = int(used)
            found[f"PCW_FCLK{clock}_PERIPHERAL_CLKSRC"] = "IO PLL"
            for k, divisor in enumerate(divisors):
                found[f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR{k}"] = divisor
        else:
            found[f"PSU__FPGA_PL{clock}_ENABLE"] = int(used)
            found[f"PSU__CRL_APB__PL{clock}_REF_CTRL__SRCSEL"] = "IOPLL"
            for k, divisor in enumerate(divisors):
                found[f"PSU__CRL_APB__PL{clock}_REF_CTRL__DIVISOR{k}"] = divisor
        # pynq 4 reads the frequency by this name on both families
        found[f"PSU__CRL_APB__PL{clock}_REF_CTRL__ACT_FREQMHZ"] = clock_mhz if used else 100
    if family == "zynq-us+":
        # pynq sets the widths of the ports by these: our master's and our slave's
        found |= {"C_SAXIGP2_DATA_WIDTH": port_bits, "C_MAXIGP0_DATA_WIDTH": 32}
    return found


def _divisors(pll_mhz: float, clock_mhz: float) -> tuple[int, int]:
    """The two divisors that come nearest to a clock without exceeding it."""
    numbers = range(1, _MOST_DIVISOR + 1)
    slow = [(a, b) for a in numbers for b in numbers if pll_mhz / (a * b) <= clock_mhz * (1 + 1e-9)]
    slowest = (_MOST_DIVISOR, _MOST_DIVISOR)
    return min(slow, key=lambda pair: (pair[0] * pair[1], pair[1]), default=slowest)
