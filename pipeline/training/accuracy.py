"""Top-1 and top-5 accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_FIVE = 5


@dataclass(frozen=True)
class Accuracy:
    """Per cent of the images whose label has the greatest score, or one of the five greatest.

    top5 is None if there are at most five classes.
    """

    top1: float
    top5: float | None


def right(scores: Tensor, labels: Tensor) -> Tensor:
    """How many labels have the greatest score, and how many one of the five greatest: int64 [2].

    Among equal scores, which quantised networks often have, the first class comes first.
    """
    five = scores.argsort(dim=1, descending=True, stable=True)[:, :_FIVE]
    first = scores.argmax(1) == labels
    return torch.stack([first.sum(), (five == labels[:, None]).any(1).sum()])


def share(counts: Tensor, images: int, classes: int) -> Accuracy:
    """The accuracy in per cent for `counts`, a sum of results of `right`."""
    first, five = (100.0 * count / images for count in counts.tolist())
    return Accuracy(first, five if classes > _FIVE else None)
