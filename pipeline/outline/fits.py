"""Stage `fits`: whether any folding of the untrained network fits the board, and reaches fps=."""

from __future__ import annotations

from pipeline.folding import plan
from pipeline.hardware import graph as hardware
from pipeline.job import Job, Metrics
from pipeline.outline import PRUNED


def run(job: Job) -> Metrics:
    """Writes no file. Raises the DoesNotFit that `fold` would raise after training.

    A network that will be pruned is looked at as it will be then.
    """
    folder = job.inputs["outline"]
    pruned = folder / PRUNED
    return plan(job, hardware.load(pruned if pruned.is_dir() else folder)).figures()
