"""docs/vivado_shell.md: our block design beside FINN's, read from what both made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.rtl.shell import registers

FILE = Path(__file__).parents[2] / "docs" / "vivado_shell.md"
HEAD = """# Our block design beside FINN's shell

What `engine=vivado` puts around the accelerator with `hardware=rtl`, beside what FINN's own flow
puts around its own (`hardware=finn`). FINN's side is what its `MakeZYNQProject` of finn-plus 1.6.1
writes. Both sides were run with the fake Vivado of the tests, which records every command and keeps
the block design; neither was run with a real Vivado. The frequency of the processor's clock, and
the width of a port that neither side sets, are the fake's defaults.

`PIPELINE_UPDATE_GOLDEN=1 .venv/bin/pytest tests/vendor` writes this file. The test fails if it is
not what both sides do.

Why they differ:

- **Clock.** FINN makes its clock with a PLL from 100 MHz of the processor. Ours is the processor's
  own clock, set to `clock_mhz`; the driver sets its dividers, and refuses a clock that they cannot
  make. It needs no PLL, and the clock can be lowered on the board.
- **Registers.** FINN's two DMAs are two slaves of 4 KiB. Ours is one slave of 16 KiB, whose pages
  have FINN's registers at the same addresses; magic, digest, counters and signatures lie where FINN
  has nothing.
- **Memory.** FINN joins its two DMAs by a SmartConnect. One of ours only reads and the other only
  writes, so they are the two halves of one AXI port, joined to the processor's without anything
  between.
- **Board files.** FINN needs them. Ours applies them where they are installed: they set up DDR and
  MIO, which the board's boot image has done before.
"""


def roles(design: Mapping[str, Any]) -> dict[str, str]:
    """Each point of a block design that matters to the logic, in words."""
    pins, ports, cells = design["pins"], design["ports"], design["cells"]
    ps = next(name for name, cell in cells.items() if cell.get("IP_NAME") in _PROCESSORS)
    axi = [name for name in _connected(design, ps) if _is_axi(pins[name])]
    (control,) = (name for name in axi if pins[name]["MODE"] == "Master")
    (memory,) = (name for name in axi if pins[name]["MODE"] == "Slave")
    clock = _driver(design, f"{ps}/{pins[control]['CLOCK']}")
    reset = _resets(design)
    ours = "/memory" in ports
    return {
        "clock of the logic": f"{_place(design, clock)}, "
        f"{float(pins[clock]['CONFIG.FREQ_HZ']) / 1e6:g} MHz",
        "clocks of the AXI interfaces": str(len(_clocks(design))),
        "reset of the logic": f"{_place(design, reset)}, active low",
        "source of the reset": _place(
            design, _driver(design, f"/{reset.split('/')[1]}/ext_reset_in")
        ),
        "port to the registers": f"{control.split('/')[-1]}, {pins[control]['CONFIG.PROTOCOL']}, "
        f"{pins[control]['CONFIG.DATA_WIDTH']} bits",
        "way to the registers": _way(design, control),
        **_addresses(design, ours),
        "port to the memory": f"{memory.split('/')[-1]}, {pins[memory]['CONFIG.PROTOCOL']}",
        "bits of the port to the memory": pins[memory]["CONFIG.DATA_WIDTH"],
        "bits of the DMAs": ports["/memory"]["CONFIG.DATA_WIDTH"]
        if ours
        else pins["/idma0/m_axi_gmem0"]["CONFIG.DATA_WIDTH"],
        "way to the memory": _way(design, memory),
        "memory that the DMAs reach": _memory(design),
        "pins of the FPGA": ", ".join(
            sorted(name[1:] for name in ports if name in ("/DDR", "/FIXED_IO"))
        )
        or "none",
    }


_PROCESSORS = ("processing_system7", "zynq_ultra_ps_e")


def _is_axi(pin: Mapping[str, str]) -> bool:
    return pin["CONFIG.PROTOCOL"].startswith("AXI")


def _connected(design: Mapping[str, Any], cell: str) -> Iterable[str]:
    return [end for net in design["intf_nets"] for end in net if end.startswith(f"{cell}/")]


def _driver(design: Mapping[str, Any], pin: str) -> str:
    """The output pin of a cell that drives `pin`."""
    net: list[str] = next(net for net in design["nets"] if pin in net)
    return next(end for end in net if design["pins"].get(end, {}).get("DIR") == "O")


def _clocks(design: Mapping[str, Any]) -> set[str]:
    clocked = [
        f"{pin['CELL']}/{pin['CLOCK']}"
        for name, pin in design["pins"].items()
        if pin.get("CLOCK") and any(name in net for net in design["intf_nets"])
    ]
    return {_driver(design, clock) for clock in clocked}


def _resets(design: Mapping[str, Any]) -> str:
    """The pin that resets the accelerator with its DMAs."""
    end = "/resetn" if "/resetn" in design["ports"] else "/idma0/ap_rst_n"
    return _driver(design, end)


def _place(design: Mapping[str, Any], pin: str) -> str:
    """A pin with the kind of its cell, whatever the cell's name."""
    ip = design["cells"][design["pins"][pin]["CELL"]]["IP_NAME"]
    return f"{pin.rsplit('/', maxsplit=1)[-1]} of {ip}"


def _way(design: Mapping[str, Any], pin: str) -> str:
    """What lies between the processor's port and the other end."""
    net = next(net for net in design["intf_nets"] if pin in net)
    (other,) = (end for end in net if end != pin)
    if other in design["ports"]:
        return "nothing"
    cell = design["cells"][design["pins"][other]["CELL"]]
    return f"{cell['IP_NAME']}, {cell['CONFIG.NUM_SI']} to {cell['CONFIG.NUM_MI']}"


def _addresses(design: Mapping[str, Any], ours: bool) -> dict[str, str]:
    """Where the processor finds the registers of the two DMAs, and how much it maps."""
    mapped = {
        segment.split("/")[1]: (int(offset, 0), int(size, 0))
        for space, segment, offset, size in design["addresses"]
        if space.endswith("/Data")
    }
    if ours:
        base = mapped["control"][0]
        pages = {name: base + page for name, _, page in registers.SLAVES}
    else:
        pages = {name: offset for name, (offset, _) in mapped.items()}
    whole = sum(size for _, size in mapped.values()) // 1024
    return {
        "registers of the input DMA": f"{pages['idma0']:#x}",
        "registers of the output DMA": f"{pages['odma0']:#x}",
        "address ranges": f"{len(mapped)} with {whole} KiB together",
    }


def _memory(design: Mapping[str, Any]) -> str:
    found = {
        (segment.split("/", 2)[2], int(offset, 0), int(size, 0))
        for space, segment, offset, size in design["addresses"]
        if "DDR" in segment
    }
    return "; ".join(f"{name} at {offset:#x}" for name, offset, _ in sorted(found))


def page(found: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]) -> str:
    """The page. found: by board, the points of our design and of FINN's."""
    parts = [HEAD]
    for board, (ours, finn) in found.items():
        parts.append(f"\n## {board}\n\n| point | ours | FINN's | |\n|---|---|---|---|\n")
        parts += [
            f"| {point} | {ours[point]} | {finn[point]} | "
            f"{'equal' if ours[point] == finn[point] else 'different'} |\n"
            for point in ours
        ]
    return "".join(parts)
