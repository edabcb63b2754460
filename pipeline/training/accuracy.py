"""Top-1 and top-5 accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_FIVE = 5


@dataclass(frozen=True)
class Accuracy:
    """Shares of images in per cent whose label has the greatest score, or one of the five greatest.

    top5 is None where there are no more than five classes.
    """

    top1: float
    top5: float | None


def right(scores: Tensor, labels: Tensor) -> Tensor:
    """How many of the labels have the greatest score, and one of the five greatest: int64 [2].

    Of equal scores, which quantised networks often have, the first class goes before.
    """
    five = scores.argsort(dim=1, descending=True, stable=True)[:, :_FIVE]
    first = scores.argmax(1) == labels
    return torch.stack([first.sum(), (five == labels[:, None]).any(1).sum()])


def share(counts: Tensor, images: int, classes: int) -> Accuracy:
    """The accuracy of `counts`, sums of what `right` gives."""
    first, five = (100.0 * count / images for count in counts.tolist())
    return Accuracy(first, five if classes > _FIVE else None)
