"""Stage `implement`: places and routes the design, and makes the bitfile."""

from __future__ import annotations

from pipeline.engines import implementing, rows
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import load_folding
from pipeline.job import Job, Metrics


def run(job: Job) -> Metrics:
    """Writes the bitfile, its hwh, and utilisation.csv, beside what the engine leaves.

    Raises DoesNotFit if the total exceeds the board, PipelineError if the timing is not met.
    """
    graph = hardware.load(job.inputs["streamline"])
    folding = load_folding(job.inputs["fold"] / "folding.json")
    found = implementing(job.spec("target.provider", str)).implement(job, graph, folding)
    rows.write(job.folder / "utilisation.csv", found.rows, found.total)
    have = rows.of_board(job)
    rows.require_fit("implement", found.total, have)
    return {**rows.metrics(found.total, have, "implemented"), **found.figures}
