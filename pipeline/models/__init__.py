"""Quantised torch modules, built from the spec of a network."""

from __future__ import annotations

from pipeline.models.build import build, build_of
from pipeline.models.images import images_to_tensor
from pipeline.models.masks import mask_of, set_mask
from pipeline.models.parts import Part, parts
from pipeline.models.pruned import Cut, load_cut, mask_parts, save_cut, shrunken, trained, whole
from pipeline.models.twin import Twin, twin
from pipeline.models.weights import load_weights, save_weights

__all__ = [
    "Cut",
    "Part",
    "Twin",
    "build",
    "build_of",
    "images_to_tensor",
    "load_cut",
    "load_weights",
    "mask_of",
    "mask_parts",
    "parts",
    "save_cut",
    "save_weights",
    "set_mask",
    "shrunken",
    "trained",
    "twin",
    "whole",
]
