"""Stage `synth`: synthesises the design; reports the resources of each layer and of the whole."""

from __future__ import annotations

from pipeline.engines import engine, rows
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import load_folding
from pipeline.job import Figure, Job, Metrics


def run(job: Job) -> Metrics:
    """Writes utilisation.csv, beside what the engine leaves.

    Raises DoesNotFit if the total exceeds the board.
    """
    graph = hardware.load(job.inputs["streamline"])
    folding = load_folding(job.inputs["fold"] / "folding.json")
    for path in ("board.family", "vendor"):
        job.spec(path, object)  # each engine needs only one of them
    found = engine(job.spec("target.provider", str)).synthesise(job, graph, folding)
    rows.write(job.folder / "utilisation.csv", found.rows, found.total)
    have = rows.of_board(job)
    rows.require_fit("synth", found.total, have)
    figures = {**rows.metrics(found.total, have, "synthesised"), **found.figures}
    if rows.SHELL in found.rows:
        figures["shell_lut"] = Figure(found.rows[rows.SHELL].lut, "LUT", "synthesised")
    return figures
