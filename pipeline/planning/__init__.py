"""Stages `sensitivity` and `prune-plan`: which layers to prune by how much, for a speed on a board.

A plan joins two things: how much accuracy each layer costs when it alone loses something, and the
exact folding of every network that is pruned so.
"""

from __future__ import annotations

from pipeline.job import Job, Metrics


def run(job: Job) -> Metrics:
    """Runs the stage that the job names; see the modules `sensitivity` and `stage`."""
    from pipeline.planning import sensitivity, stage  # noqa: PLC0415 - they bring torch

    return sensitivity.run(job) if job.stage == "sensitivity" else stage.run(job)
