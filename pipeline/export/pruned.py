"""Proves the network without pruned channels equal to the masked one."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.errors import VerificationError
from pipeline.export.verify import differing
from pipeline.job import Figure, Metrics, progress


def same_without_channels(
    masked: nn.Module, smaller: nn.Module, images: Tensor, logits: np.ndarray, block: int
) -> Metrics:
    """Figures of the comparison on images [N, C, H, W]; logits: what `smaller` gives for them.

    The two sum in different orders, and then a value close to the border between two levels of a
    quantiser may come out on the other side. So images that differ are computed again in double,
    where the orders agree to 15 digits. Raises VerificationError if they differ there, too.
    """
    progress(f"comparing with the masked network on {len(images):,} test images", 0.2)
    apart = differing(_logits(masked, images, block), logits)
    if apart.any():
        some = images[torch.from_numpy(apart)].double()
        wanted, found = (_logits(copy.deepcopy(x).double(), some, block) for x in (masked, smaller))
        wrong = differing(wanted, found)
        if wrong.any():
            image = int(apart.nonzero()[0][wrong.argmax()])
            first = int(wrong.argmax())
            raise VerificationError(
                "the network without its pruned channels differs from the masked one on "
                f"{int(wrong.sum()):,} of {len(images):,} test images; the first is image {image} "
                f"(from 0): label {found[first].argmax()} instead of {wanted[first].argmax()}"
            )
    return {
        "masked_equal": Figure(len(images), "images", "measured"),
        "masked_in_double": Figure(int(apart.sum()), "images", "measured"),
    }


def _logits(model: nn.Module, images: Tensor, block: int) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = torch.cat([model(part) for part in images.split(block)]).numpy()
    return found
