"""Stage `prune`: takes columns, channels or weights out of a trained network, and fine-tunes it."""

from __future__ import annotations

from pipeline.job import Job, Metrics


def run(job: Job) -> Metrics:
    """Writes the pruned network's weights and masks; see the module `stage`."""
    from pipeline.pruning import stage  # noqa: PLC0415 - the plan of a pruning needs no training

    return stage.run(job)
