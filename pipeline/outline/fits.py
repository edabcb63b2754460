"""Stage `fits`: whether any folding of the untrained network fits the board, and reaches fps=."""

from __future__ import annotations

from pipeline.folding import plan
from pipeline.hardware import graph as hardware
from pipeline.job import Job, Metrics


def run(job: Job) -> Metrics:
    """Writes no file. Raises the DoesNotFit that `fold` would raise after training."""
    return plan(job, hardware.load(job.inputs["outline"])).figures()
