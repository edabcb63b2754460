"""Stage `export`: a trained network as QONNX, proved to compute what Brevitas computes."""

from __future__ import annotations

from pipeline.export.stage import LABELS, LOGITS, MODEL, run

__all__ = ["LABELS", "LOGITS", "MODEL", "run"]
