"""Turns the images of a data set into a network's float input."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.data.inputs import planes
from pipeline.data.prepare import prepare
from specs.input import InputSpec


def images_to_tensor(raw: np.ndarray, contract: InputSpec) -> torch.Tensor:
    """Float32 [N, C, H, W], contiguous, of raw images: uint8 [N, h, w, C] of any size.

    Feature vectors [N, F] become float32 [N, F].
    """
    return torch.from_numpy(planes(prepare(raw, contract), contract))
