"""Quantised torch modules, built from the spec of a network."""

from __future__ import annotations

from pipeline.models.build import build, build_of
from pipeline.models.images import images_to_tensor
from pipeline.models.masks import mask_of, set_mask
from pipeline.models.parts import Part, parts
from pipeline.models.twin import Twin, twin
from pipeline.models.weights import load_weights, save_weights

__all__ = [
    "Part",
    "Twin",
    "build",
    "build_of",
    "images_to_tensor",
    "load_weights",
    "mask_of",
    "parts",
    "save_weights",
    "set_mask",
    "twin",
]
