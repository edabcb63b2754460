"""Stage `train`: a network trained on its data set, its best weights chosen on held-out images."""

from __future__ import annotations

from pipeline.training.stage import run

__all__ = ["run"]
