"""Stage `rtl`: writes the folded network and its AXI shell as one Verilog design, and lints it."""

from __future__ import annotations

import json

from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import load_folding
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.rtl.generator import generate
from pipeline.rtl.lint import lint
from pipeline.rtl.shell.generate import generate_shell


def run(job: Job) -> Metrics:
    """Writes the design into the job's folder, and proves that all linters find it clean."""
    graph = hardware.load(job.inputs["streamline"])
    folding = load_folding(job.inputs["fold"] / "folding.json")
    depths = json.loads((job.inputs["fifos"] / "fifo_depths.json").read_text())
    progress("generating the design", 0.0)
    signatures = job.spec("target.signatures", str) == "on"
    design = generate(graph, folding, depths, job.folder, signatures=signatures)
    design = generate_shell(
        design, job.spec("board.memory_port_bits", int), job.spec("board.family", str)
    )
    progress("linting with Verilator and Yosys", 0.3)
    lint(design, job.folder / "logs")
    return {
        "modules": Figure(len(design.sources), "", "measured"),
        "memory_bits": Figure(design.memory_bits, "bits", "measured"),
        "fifo_bits": Figure(sum(x.depth * x.width for x in design.fifos), "bits", "measured"),
    }
