"""Synthesis with Yosys for 7-series and UltraScale+, out of context."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.engines.utilisation import Utilisation
from pipeline.tools.yosys import Command, run_script

FAMILIES = {"zynq-7000": "xc7", "zynq-us+": "xcup"}


def commands(sources: Sequence[str], top: str, family: str, prefix: str) -> list[Command]:
    """The Yosys script that turns `sources` into `<prefix>.v` (netlist), `.json` and `.sta`.

    synth_xilinx always maps with abc9, which costs 5-60 % more LUTs on this kind of logic. So its
    mapping step is replaced by abc, with the costs of LUT2..LUT6 and of two and four LUT6 behind
    the slice's multiplexers (MUXF7, MUXF8), which ROMs of more than 64 words need. Shift registers
    and DSPs are not used: open place and route implements the rest correctly, and nothing is lost
    by it here.
    """
    return [
        ["read_verilog", "-defer", *sources],
        f"hierarchy -check -top {top}",
        f"synth_xilinx -family {FAMILIES[family]} -top {top} -flatten -nodsp -nosrl -noiopad"
        " -noclkbuf -run begin:map_luts",
        "opt_expr -mux_undef -noclkinv",
        "abc -luts 2:2,3,6:5,10,20",
        "clean",
        "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
        "xilinx_dffopt",
        "opt_lut_ins -tech xilinx",
        "delete t:$scopeinfo",
        "clean",
        "hierarchy -check",
        "check -noinit",
        ["tee", "-q", "-o", f"{prefix}.json", "stat", "-json"],
        ["write_verilog", "-noattr", f"{prefix}.v"],
        ["tee", "-q", "-o", f"{prefix}.sta", "sta"],
    ]


def synthesise(
    sources: Sequence[str], top: str, family: str, design: Path, prefix: Path, log: Path
) -> Utilisation:
    """Synthesises `top`. Yosys runs in the folder `design`, where its memory files are."""
    run_script(commands(sources, top, family, str(prefix.resolve())), design, log)
    return Utilisation.of(read_stat(prefix.with_suffix(".json")))


def longest_path(report: Path) -> float | None:
    """Longest delay in ns between registers, of the cells alone, from Yosys' `sta`; or None."""
    found = re.search(
        r"^Latest arrival time in '.*' is ([0-9]+):", report.read_text(), re.MULTILINE
    )
    return int(found[1]) / 1000 if found else None


def read_stat(path: Path) -> dict[str, int]:
    """Cell counts by type from the output of `stat -json`, which has one module."""
    text = path.read_text()
    design = json.loads(text[text.index("{") :])["design"]
    return {name: int(count) for name, count in design["num_cells_by_type"].items()}
