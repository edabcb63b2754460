"""Quantised torch modules, built from the spec of a network."""

from __future__ import annotations

from pipeline.models.build import build, build_of
from pipeline.models.images import images_to_tensor
from pipeline.models.twin import Twin, twin
from pipeline.models.weights import load_weights, save_weights

__all__ = ["Twin", "build", "build_of", "images_to_tensor", "load_weights", "save_weights", "twin"]
