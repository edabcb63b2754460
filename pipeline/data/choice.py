"""Chooses a few images of a data set, so that all of its classes are among them."""

from __future__ import annotations

import numpy as np


def over_classes(labels: np.ndarray | None, count: int, total: int) -> np.ndarray:
    """Indices [min(count, total)] of images: the first of each class, then the second of each, …

    A class that has no more images is passed over. So sorted and unbalanced data work, and the
    first images of a choice are spread over the classes, too: a smaller choice is the beginning of
    a larger one. labels: integers [total]; None: they are unknown, and the first images are taken.
    """
    if labels is None:
        return np.arange(min(count, total))
    by_class = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    turn = np.empty(total, np.int64)
    turn[by_class] = np.arange(total) - np.repeat(starts, sizes)
    return np.lexsort((labels, turn))[:count]


def in_proportion(labels: np.ndarray, count: int) -> np.ndarray:
    """Indices [min(count, N)], ascending, of images whose classes have the shares of all N images.

    So the accuracy on them estimates that on all images, in whatever order these are.
    """
    total = len(labels)
    count = min(count, total)
    places = (2 * np.arange(count) + 1) * total // (2 * count)
    return np.sort(np.argsort(labels, kind="stable")[places])
