"""The two runs of Vivado as plans: synthesis, then placement, routing and the bitfile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.engines import BITFILE
from pipeline.engines.vivado.rtl.processor import PROCESSORS, parameters
from pipeline.engines.vivado.rtl.render import render
from pipeline.engines.vivado.rtl.strategies import STRATEGIES
from pipeline.engines.vivado.rtl.top import DESIGN, TOP, top
from pipeline.rtl.design import Design
from pipeline.rtl.shell import registers
from pipeline.rtl.shell.top import TOP as SHELL
from pipeline.tools.files import sha256
from pipeline.tools.vendor.plan import Plan
from specs.vivado import VendorTarget

NETWORK = f"{SHELL}/network"
"""The instance whose children are the layers, seen from the top."""
DEPTH = 4
"""Levels of the hierarchy that the reports list: top, shell, network, layer, and one within."""
CHECKPOINT, ROUTED, REFERENCE = "synth.dcp", "routed.dcp", "reference.dcp"
HANDOFF = f"{DESIGN}.hwh"
UTILISATION, FIGURES, TIMING, POWER = "utilisation.rpt", "figures.tsv", "timing.rpt", "power.rpt"
REPORTS = (UTILISATION, FIGURES, TIMING)
CHECKS = (POWER, "drc.rpt", "methodology.rpt", "routes.rpt")
_GIB = {"zynq-7000": 4, "zynq-us+": 6}
"""Memory of a run, by family: what the vendor states as typical for its largest parts here."""
_FOR_YOSYS = 'ram_style = "registers", '
_ROM = re.compile(r'\(\* ram_style = "\w+", rom_style = "\w+" \*\)')


@dataclass(frozen=True)
class Step:
    """A plan, and the files that are copied into its work folder before it runs, by their name."""

    plan: Plan
    copies: Mapping[str, Path]


def synthesis(target: VendorTarget, design: Design) -> Step:
    """Synthesis of a design with its shell and the block design."""
    assert design.shell is not None, "the rtl stage writes a shell around every design"
    processor = PROCESSORS[target.family]
    scripts = {
        "synth.tcl": render(
            "synth.tcl",
            part=target.part,
            board_part=target.board_part,
            strategy=STRATEGIES[target.strategy],
            verilog=[*design.shell.sources, f"{TOP}.v"],
            top=TOP,
            depth=DEPTH,
            layers=NETWORK,
        ),
        "block_design.tcl": render(
            "block_design.tcl",
            top=TOP,
            design=DESIGN,
            processor=processor,
            parameters=parameters(target.family, target.clock_mhz, target.memory_port_bits),
            port_bits=target.memory_port_bits,
            base=f"{registers.BASE[target.family]:#x}",
            range=f"{1 << registers.ADDRESS_BITS:#x}",
        ),
        "figures.tcl": render("figures.tcl"),
        "accelerator.xdc": render(
            "accelerator.xdc", processor=processor, clock=f"{target.clock_mhz:g}"
        ),
        f"{TOP}.v": top(design, target.family),
        **_attributes(design, target.ram_style),
    }
    names = {*design.shell.sources, *design.memories, "design.json"} - set(scripts)
    copies = {name: design.folder / name for name in sorted(names)}
    plan = Plan(
        name="synth",
        files=scripts,
        argv=_vivado("synth"),
        inputs={name: sha256(path) for name, path in copies.items()},
        products=(CHECKPOINT, HANDOFF, *REPORTS),
        memory_mib=1024 * _GIB[target.family],
    )
    return Step(plan, copies)


def implementation(target: VendorTarget, checkpoint: Path, reference: Path | None) -> Step:
    """Placement, routing and the bitfile of a synthesised design.

    reference: the routed checkpoint that the placement starts from.
    """
    copies = {CHECKPOINT: checkpoint}
    if reference is not None:
        copies[REFERENCE] = reference
    plan = Plan(
        name="implement",
        files={
            "implement.tcl": render(
                "implement.tcl",
                strategy=STRATEGIES[target.strategy],
                reference=reference is not None,
                depth=DEPTH,
                layers=NETWORK,
                bitfile=BITFILE,
            ),
            "figures.tcl": render("figures.tcl"),
        },
        argv=_vivado("implement"),
        inputs={name: sha256(path) for name, path in copies.items()},
        products=(ROUTED, BITFILE, *REPORTS, *CHECKS),
        memory_mib=1024 * _GIB[target.family],
    )
    return Step(plan, copies)


def _vivado(script: str) -> tuple[str, ...]:
    log = ("-nojournal", "-log", "vivado.log")
    return ("vivado", "-mode", "batch", "-notrace", *log, "-source", f"{script}.tcl")


def _attributes(design: Design, style: str) -> dict[str, str]:
    """The files whose attributes Vivado has to see otherwise: the same function and latency.

    ram_style = "registers" keeps Yosys from making RAM of a ROM in LUTs. To Vivado it says that the
    memory becomes registers (UG901), and it refuses to dissolve a large one ([Synth 8-3391]).
    """
    assert design.shell is not None
    found = {}
    for name in design.shell.sources:
        text = (design.folder / name).read_text()
        changed = text.replace(_FOR_YOSYS, "")
        if name == "rom.v" and style != "fold":
            attribute = f'(* ram_style = "{style}", rom_style = "{style}" *)'
            changed, count = _ROM.subn(attribute, text)
            assert count, "rom.v has no attribute for its memory"
        if changed != text:
            found[name] = changed
    return found
