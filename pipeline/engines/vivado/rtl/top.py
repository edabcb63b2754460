"""Writes the Verilog top module: the block design and the shell side by side."""

from __future__ import annotations

from pipeline.engines.vivado.rtl.processor import PROCESSORS, Processor
from pipeline.engines.vivado.rtl.render import render
from pipeline.rtl.design import Design
from pipeline.rtl.shell import registers
from pipeline.rtl.shell.generate import parameters_of
from pipeline.rtl.shell.top import READ, SLAVE, WRITE, axi_ports

TOP, DESIGN, PROCESSOR = "top", "system", "processor"
"""The top module; the block design, which is a module; and its instance in the top module."""

_DDR = (
    *("addr", "ba", "cas_n", "ck_n", "ck_p", "cke", "cs_n", "dm", "dq", "dqs_n", "dqs_p", "odt"),
    *("ras_n", "reset_n", "we_n"),
)
_FIXED_IO = ("ddr_vrn", "ddr_vrp", "mio", "ps_clk", "ps_porb", "ps_srstb")


def top(design: Design, family: str) -> str:
    """The text of the top module of a design with its shell.

    Its wires are named as the shell's ports. Where a port of the processor is wider, as addresses
    and ids are, a wire of its own is named as that port.
    """
    assert design.shell is not None, "the rtl stage writes a shell around every design"
    processor = PROCESSORS[family]
    shell = parameters_of(design, design.shell.port_bits, design.shell.address_bits)
    ports = list(axi_ports(shell))
    wires = [(bits, name) for _, bits, name in ports if name not in _CUT]
    wires += [
        (processor.control_address_bits, wide) for wide in ("control_awaddr", "control_araddr")
    ]
    wires += [(processor.id_bits, wide) for wide in ("memory_rid", "memory_bid")]
    cut = {
        **dict.fromkeys(("control_awaddr", "control_araddr"), registers.ADDRESS_BITS),
        **dict.fromkeys(("memory_rid", "memory_bid"), 1),
    }
    return render(
        "top.v",
        top=TOP,
        design=DESIGN,
        instance=PROCESSOR,
        processor=processor,
        shell=design.shell.top,
        wires=wires,
        pins=[*(f"DDR_{name}" for name in _DDR), *(f"FIXED_IO_{name}" for name in _FIXED_IO)],
        processor_ports=_processor_ports(processor, design.shell.address_bits),
        shell_ports={
            name: f"{_CUT[name]}[{cut[_CUT[name]] - 1}:0]" if name in _CUT else name
            for _, _, name in ports
        },
    )


_CUT = {
    f"{SLAVE}_awaddr": "control_awaddr",
    f"{SLAVE}_araddr": "control_araddr",
    f"{READ}_rid": "memory_rid",
    f"{WRITE}_bid": "memory_bid",
}
"""By the shell's port: the wider wire that it gets the lower bits of."""


def _processor_ports(processor: Processor, address_bits: int) -> dict[str, str]:
    """The expression that each AXI port of the block design is connected to."""
    found = {"control_awaddr": "control_awaddr", "control_araddr": "control_araddr"}
    lite: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("aw", ("valid", "ready")),
        ("w", ("data", "strb", "valid", "ready")),
        ("b", ("resp", "valid", "ready")),
        ("ar", ("valid", "ready")),
        ("r", ("data", "resp", "valid", "ready")),
    )
    for channel, signals in lite:
        for signal in signals:
            found[f"control_{channel}{signal}"] = f"{SLAVE}_{channel}{signal}"
    for channel, stem in (("ar", READ), ("aw", WRITE)):
        found[f"memory_{channel}addr"] = _widened(
            f"{stem}_{channel}addr", address_bits, processor.address_bits
        )
        found[f"memory_{channel}id"] = _widened(f"{stem}_{channel}id", 1, processor.id_bits)
        # a burst of the shell has at most 16 beats
        found[f"memory_{channel}len"] = f"{stem}_{channel}len[{processor.length_bits - 1}:0]"
        for signal in ("size", "burst", "cache", "prot", "valid", "ready"):
            found[f"memory_{channel}{signal}"] = f"{stem}_{channel}{signal}"
    if processor.protocol == "AXI3":
        found["memory_wid"] = _widened(f"{WRITE}_awid", 1, processor.id_bits)
    for channel, stem, wide, signals in (
        ("r", READ, "memory_rid", ("data", "resp", "last", "valid", "ready")),
        ("w", WRITE, "", ("data", "strb", "last", "valid", "ready")),
        ("b", WRITE, "memory_bid", ("resp", "valid", "ready")),
    ):
        if wide:
            found[wide] = wide
        for signal in signals:
            found[f"memory_{channel}{signal}"] = f"{stem}_{channel}{signal}"
    return found


def _widened(name: str, bits: int, wanted: int) -> str:
    more = wanted - bits
    return f"{{{more}'d0, {name}}}" if more else name
