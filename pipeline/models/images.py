"""Images of a data set as a network's float input."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.data.prepare import network_input, prepare
from specs.network import InputSpec


def images_to_tensor(raw: np.ndarray, contract: InputSpec) -> torch.Tensor:
    """raw: uint8 [N, h, w, C] of any size. Returns float32 [N, C, H, W], contiguous.

    Feature vectors [N, F] become float32 [N, F].
    """
    values = network_input(prepare(raw, contract), contract)
    if values.ndim == 2:
        return torch.from_numpy(values)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))
