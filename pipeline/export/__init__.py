"""Stage `export`: writes the network as QONNX, and proves that it computes the same.

A user's own QONNX model is cleaned and checked, and proved to compute what it did before.
"""

from __future__ import annotations

from pipeline.export.files import LABELS, LOGITS, MODEL
from pipeline.job import Job, Metrics

__all__ = ["LABELS", "LOGITS", "MODEL", "run"]


def run(job: Job) -> Metrics:
    """Writes model.onnx, logits.npy and labels.npy; see the modules `stage` and `own`."""
    if job.specs["network.model"]["family"] == "qonnx":
        from pipeline.export import own  # noqa: PLC0415 - each way has imports of its own

        return own.run(job)
    from pipeline.export import stage  # noqa: PLC0415

    return stage.run(job)
