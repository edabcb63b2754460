"""Stage `export`: a network as QONNX, proved to compute what the trained one computes.

Of a QONNX model that the user brings: cleaned, checked, and proved to compute what it did before.
"""

from __future__ import annotations

from pipeline.export.files import LABELS, LOGITS, MODEL
from pipeline.job import Job, Metrics

__all__ = ["LABELS", "LOGITS", "MODEL", "run"]


def run(job: Job) -> Metrics:
    """Writes model.onnx, logits.npy and labels.npy; see the modules of the two ways."""
    if job.specs["network.model"]["family"] == "qonnx":
        from pipeline.export import own  # noqa: PLC0415 - each way has imports of its own

        return own.run(job)
    from pipeline.export import stage  # noqa: PLC0415

    return stage.run(job)
