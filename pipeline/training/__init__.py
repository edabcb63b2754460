"""Stage `train`: trains a network and keeps the weights that are best on held-out images."""

from __future__ import annotations

from pipeline.training.stage import run

__all__ = ["run"]
