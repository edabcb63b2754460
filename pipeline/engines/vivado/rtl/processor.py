"""The processing systems: what Vivado calls their clock, their ports and their parameters.

Names and parameters: PG082 (processing_system7) and PG201 (zynq_ultra_ps_e).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Processor:
    """A processing system as the block design needs it.

    ip: without its version, since each Vivado has its own. clock, reset: the pins that drive the
    logic. control: the master port that reaches our registers; memory: the slave port to the DDR
    memory; each with its clock pin. memory_segments: the address segments behind it.
    protocol, id_bits, address_bits: of the memory port. The shell's bursts suit AXI3 and AXI4.
    rule: the automation that applies a board's preset, and ports: what it makes external.
    """

    ip: str
    clock: str
    reset: str
    control: str
    control_clock: str
    memory: str
    memory_clock: str
    memory_segments: str
    protocol: str
    id_bits: int
    address_bits: int
    control_address_bits: int
    rule: str
    ports: bool

    @property
    def length_bits(self) -> int:
        """Bits of a burst's length."""
        return 4 if self.protocol == "AXI3" else 8


PROCESSORS = {
    "zynq-7000": Processor(
        ip="xilinx.com:ip:processing_system7",
        clock="FCLK_CLK0",
        reset="FCLK_RESET0_N",
        control="M_AXI_GP0",
        control_clock="M_AXI_GP0_ACLK",
        memory="S_AXI_HP0",
        memory_clock="S_AXI_HP0_ACLK",
        memory_segments="S_AXI_HP0/*",
        protocol="AXI3",
        id_bits=6,
        address_bits=32,
        control_address_bits=32,
        rule="xilinx.com:bd_rule:processing_system7",
        ports=True,
    ),
    "zynq-us+": Processor(
        ip="xilinx.com:ip:zynq_ultra_ps_e",
        clock="pl_clk0",
        reset="pl_resetn0",
        control="M_AXI_HPM0_FPD",
        control_clock="maxihpm0_fpd_aclk",
        memory="S_AXI_HP0_FPD",
        memory_clock="saxihp0_fpd_aclk",
        memory_segments="SAXIGP2/*",
        protocol="AXI4",
        id_bits=6,
        address_bits=49,
        control_address_bits=40,
        rule="xilinx.com:bd_rule:zynq_ultra_ps_e",
        ports=False,
    ),
}
"""By family."""


def parameters(family: str, clock_mhz: float, port_bits: int) -> dict[str, str]:
    """What is set of a processing system: its clock 0, and the two ports that we use.

    Nothing else matters to the logic. DDR, MIO and the clocks of the processor were set up by the
    board's own boot image before a bitfile is loaded.
    """
    if family == "zynq-7000":
        return {
            "PCW_FPGA0_PERIPHERAL_FREQMHZ": f"{clock_mhz:g}",
            "PCW_EN_CLK0_PORT": "1",
            "PCW_EN_RST0_PORT": "1",
            "PCW_USE_M_AXI_GP0": "1",
            "PCW_USE_M_AXI_GP1": "0",
            "PCW_USE_S_AXI_HP0": "1",
            "PCW_S_AXI_HP0_DATA_WIDTH": str(port_bits),
        }
    return {
        "PSU__OVERRIDE__BASIC_CLOCK": "0",  # some presets set it: then clocks cannot be set
        "PSU__FPGA_PL0_ENABLE": "1",
        "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": f"{clock_mhz:g}",
        "PSU__USE__FABRIC__RST": "1",
        "PSU__USE__M_AXI_GP0": "1",
        "PSU__USE__M_AXI_GP1": "0",
        "PSU__USE__M_AXI_GP2": "0",
        "PSU__MAXIGP0__DATA_WIDTH": "32",
        "PSU__USE__S_AXI_GP2": "1",
        "PSU__SAXIGP2__DATA_WIDTH": str(port_bits),
    }
