"""What is looked at before a training: stage `outline`, and stage `fits` in a module of its own.

What cannot become hardware, and what fits no board, is told in seconds and not after a training.
"""

from __future__ import annotations

from pipeline.job import Job, Metrics

PRUNED = "pruned"
"""The folder of the graph of a pruned network, beside that of the whole one."""


def run(job: Job) -> Metrics:
    """Writes hardware.json and hardware.npz of the untrained network; see the module `stage`."""
    from pipeline.outline import stage  # noqa: PLC0415 - it brings torch, which `fits` need not

    return stage.run(job)
