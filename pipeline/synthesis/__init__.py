"""Stage `synth`: synthesises the design; reports the resources of each layer and of the whole."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

from pipeline.engines import engine
from pipeline.engines.utilisation import Utilisation
from pipeline.errors import DoesNotFit
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import load_folding
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.rtl.design import load_design
from pipeline.synthesis.layers import shell_utilisation, utilisation

BOARD_RESOURCES = ("lut", "ff", "bram36", "dsp")
TOTAL, BETWEEN, SHELL = "total", "between layers", "shell"
PARALLEL = 2
"""Number of syntheses at a time. Each takes one core and up to 1.5 GB."""


def run(job: Job) -> Metrics:
    """Writes netlist.v, what the engine leaves beside it (counts, timing) and utilisation.csv.

    The total is that of one flat run of the accelerator in its AXI shell. The row of a layer is of
    that layer synthesised alone, and so is that of the shell. The row "between layers" is the
    difference: FIFOs, width converters and signatures, less what flattening saves.
    Raises DoesNotFit if the total exceeds the board.
    """
    graph = hardware.load(job.inputs["streamline"])
    folding = load_folding(job.inputs["fold"] / "folding.json")
    provider, family = engine(job.spec("target.engine", str)), job.spec("board.family", str)
    design = load_design(job.inputs["rtl"])
    logs = job.folder / "logs"
    progress("whole design and each layer")
    prefix = job.folder / "netlist"
    with job.scratch() as work, ThreadPoolExecutor(PARALLEL) as pool:
        # the whole design first: it takes longest
        whole = pool.submit(
            provider.synthesise, design.whole, family, prefix, logs / "synthesis.log"
        )
        by_layer = {
            layer.id: pool.submit(
                utilisation, graph, layer, folding[layer.id], provider, family, job.cache, work
            )
            for layer in graph.layers
        }
        shell = pool.submit(shell_utilisation, design, provider, family, job.cache, work)
        found = whole.result()
        total = found.utilisation
        rows = {layer: future.result() for layer, future in by_layer.items()}
        rows[SHELL] = shell.result()
    rows[BETWEEN] = _less(total, rows)
    _write(job.folder / "utilisation.csv", {**rows, TOTAL: total})
    have = {name: job.spec(f"board.{name}", int) for name in BOARD_RESOURCES}
    _require_fit(total, have)
    figures = _metrics(total, have, found.longest_path_ns)
    figures["shell_lut"] = Figure(rows[SHELL].lut, "LUT", "synthesised")
    return figures


def _less(total: Utilisation, rows: Mapping[str, Utilisation]) -> Utilisation:
    return Utilisation(
        **{
            field.name: getattr(total, field.name)
            - sum(getattr(row, field.name) for row in rows.values())
            for field in fields(Utilisation)
        }
    )


def _write(path: Path, rows: Mapping[str, Utilisation]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["layer", *(field.name for field in fields(Utilisation))])
        for name, row in rows.items():
            writer.writerow([name, *row.document().values()])


def _require_fit(total: Utilisation, have: Mapping[str, int]) -> None:
    short = [
        f"{name} {getattr(total, name):g} of {have[name]}"
        for name in BOARD_RESOURCES
        if getattr(total, name) > have[name]
    ]
    if short:
        raise DoesNotFit(
            f"synth: the design needs more than the board has: {', '.join(short)}; "
            "ask for less with fps="
        )


def _metrics(total: Utilisation, have: Mapping[str, int], delay_ns: float | None) -> Metrics:
    metrics: Metrics = {}
    for name, value in total.document().items():
        metrics[name] = Figure(value, name.upper(), "synthesised")
        if name in have:
            share = 100 * value / have[name] if have[name] else 0.0
            metrics[f"{name}_share"] = Figure(round(share, 2), "%", "synthesised")
    if delay_ns is not None:
        metrics["longest_cell_path"] = Figure(delay_ns, "ns, cells only", "synthesised")
    return metrics
