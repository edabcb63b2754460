"""The engine `vivado` with hardware=rtl: our own RTL and shell, through Vivado to a bitfile.

Its folds, cycles and costs are those of the engine `open`, since the RTL is the same. The cost
model was fitted to Yosys; prediction.csv says how far Vivado is from it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.engines import BITFILE, HWH, Implemented, Implementing, Synthesised, prediction
from pipeline.engines.open import ENGINE as OPEN
from pipeline.engines.space import Space
from pipeline.engines.utilisation import Utilisation
from pipeline.engines.vivado import reports
from pipeline.engines.vivado.rtl import plans, timing
from pipeline.engines.vivado.rtl.handoff import handoff
from pipeline.engines.vivado.rtl.instances import Instances
from pipeline.engines.vivado.runs import run_planned
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Figure, Job
from pipeline.rtl.design import load_design
from pipeline.tools.files import digest_of
from specs.vivado import VendorTarget


class VivadoRtl:
    """See `Engine`."""

    deepest_fifo = OPEN.deepest_fifo

    def space(self, graph: HardwareGraph, *, signatures: bool) -> Space:
        return OPEN.space(graph, signatures=signatures)

    def shell(self, family: str, port_bits: int) -> Utilisation:
        return OPEN.shell(family, port_bits)

    def check_folding(self, graph: HardwareGraph, folding: Folding) -> None:
        OPEN.check_folding(graph, folding)

    def fifo_depths(self, most: int) -> list[int]:
        return OPEN.fifo_depths(most)

    def synthesise(self, job: Job, graph: HardwareGraph, folding: Folding) -> Synthesised:
        """Leaves the checkpoint, the hardware handoff, the reports and prediction.csv."""
        target = job.spec("vendor", VendorTarget)
        design, instances = load_design(job.inputs["rtl"]), Instances(graph)
        step = plans.synthesis(target, design)
        folder = _run(job, step, instances)
        _copy(folder, job.folder, step.plan.products)
        figures = reports.figures(folder / plans.FIGURES)
        table, total = instances.resources(folder / plans.UTILISATION, figures)
        _compare(job.folder, graph, folding, target, bool(design.signatures), table)
        return Synthesised(table, total, timing.metrics(figures, target.clock_mhz, "synthesised"))

    def implement(self, job: Job, graph: HardwareGraph, folding: Folding) -> Implemented:
        """Leaves the bitfile, its hwh, the routed checkpoint, the reports and prediction.csv."""
        target = job.spec("vendor", VendorTarget)
        design, instances = load_design(job.inputs["rtl"]), Instances(graph)
        kept = job.cache / "vivado" / "references" / f"{digest_of(job.unit)[:16]}.dcp"
        again = target.incremental == "on" and kept.is_file()
        step = plans.implementation(
            target, job.inputs["synth"] / plans.CHECKPOINT, kept if again else None
        )
        folder = _run(job, step, instances)
        _copy(folder, job.folder, (*plans.REPORTS, *plans.CHECKS))
        figures = reports.figures(folder / plans.FIGURES)
        (job.folder / "timing.json").write_text(timing.document(figures, target, instances))
        timing.require_met(figures, target, instances, job.folder / plans.TIMING)
        watts = reports.power(folder / plans.POWER)
        (job.folder / "power.json").write_text(timing.power_document(watts))
        table, total = instances.resources(folder / plans.UTILISATION, figures)
        _compare(job.folder, graph, folding, target, bool(design.signatures), table)
        _copy(folder, job.folder, (plans.ROUTED, BITFILE))
        described = handoff(job.inputs["synth"] / plans.HANDOFF, target)
        (job.folder / HWH).write_bytes(described)
        if target.incremental == "on":
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / plans.ROUTED, kept.with_suffix(".partial"))
            kept.with_suffix(".partial").replace(kept)
        found = timing.metrics(figures, target.clock_mhz, "implemented")
        found["power"] = Figure(watts["total"], "W, estimated by Vivado", "implemented")
        return Implemented(table, total, found)


def _run(job: Job, step: plans.Step, instances: Instances) -> Path:
    log = job.folder / "logs" / f"{step.plan.name}.log"
    return run_planned(job, step.plan, log, copies=step.copies, names=instances.layer)


def _copy(source: Path, target: Path, names: tuple[str, ...]) -> None:
    for name in names:
        shutil.copyfile(source / name, target / name)


def _compare(
    folder: Path,
    graph: HardwareGraph,
    folding: Folding,
    target: VendorTarget,
    signatures: bool,
    table: dict[str, Utilisation],
) -> None:
    prediction.write(
        folder / prediction.NAME,
        graph,
        folding,
        OPEN.space(graph, signatures=signatures),
        OPEN.shell(target.family, target.memory_port_bits),
        table,
    )


ENGINE: Implementing = VivadoRtl()
