"""Reads what FINN's Zynq project came to: figures asked of its routed checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pipeline.engines import Implemented
from pipeline.engines.vivado import reports
from pipeline.engines.vivado.finn.instances import FinnInstances
from pipeline.engines.vivado.finn.shell import FINN_IO
from pipeline.engines.vivado.finn.shim import NAMES
from pipeline.engines.vivado.rtl import timing
from pipeline.engines.vivado.rtl.plans import FIGURES, POWER, ROUTED, TIMING, UTILISATION
from pipeline.engines.vivado.rtl.render import render
from pipeline.engines.vivado.runs import run_planned
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Figure, Job
from pipeline.tools.files import sha256
from pipeline.tools.vendor.plan import Plan
from specs.vivado import VendorTarget

DEPTH = 5
"""Levels of the hierarchy: top, block design, partition, what is in it, node, and one within."""
_SCRIPT = f"""\
# Reports of FINN's routed design, in the forms that this pipeline reads. Generated.
source figures.tcl
open_checkpoint {ROUTED}
report_utilization -hierarchical -hierarchical_depth {DEPTH} -file {UTILISATION}
report_timing_summary -file {TIMING}
report_power -file {POWER}
write_figures {FIGURES} top_i
"""


def report_plan(checkpoint: Path) -> Plan:
    """The run that reports on a routed checkpoint."""
    return Plan(
        name="report",
        files={"report.tcl": _SCRIPT, "figures.tcl": render("figures.tcl")},
        argv=("vivado", "-mode", "batch", "-notrace", "-nojournal", "-source", "report.tcl"),
        inputs={ROUTED: sha256(checkpoint)},
        products=(UTILISATION, FIGURES, TIMING, POWER),
    )


def read(job: Job, graph: HardwareGraph, work: Path, project: Path) -> Implemented:
    """The resources by layer, timing and power of the routed design; leaves them in the job.

    Raises PipelineError if the timing is not met.
    """
    target = job.spec("vendor", VendorTarget)
    runs = project / "finn_zynq_link.runs" / "impl_1"
    checkpoint = runs / "top_wrapper_routed.dcp"
    instances = FinnInstances(json.loads((work / NAMES).read_text()))
    plan = report_plan(checkpoint)
    log = job.folder / "logs" / "report.log"
    folder = run_planned(job, plan, log, copies={ROUTED: checkpoint}, names=instances.layer)
    for name in plan.products:
        shutil.copyfile(folder / name, job.folder / name)
    figures = reports.figures(folder / FIGURES)
    (job.folder / "timing.json").write_text(timing.document(figures, target, instances))
    timing.require_met(figures, target, instances, job.folder / TIMING)
    watts = reports.power(folder / POWER)
    (job.folder / "power.json").write_text(timing.power_document(watts))
    table, total = instances.resources(folder / UTILISATION, figures)
    shutil.copyfile(work / FINN_IO, job.folder / FINN_IO)
    found = timing.metrics(figures, target.clock_mhz, "implemented")
    found["power"] = Figure(watts["total"], "W, estimated by Vivado", "implemented")
    return Implemented(table, total, found)
