"""scikit-learn's embedded digits: 1,797 images of 8x8, no download needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.data.arrays import DataSet

_EVERY = 5
"""One image in five of each class is a test image."""


def load(settings: Mapping[str, Any]) -> DataSet:
    """1,437 training and 360 test images; both keep the order of the original.

    Pixels 0..16 become round-half-up(255 * v / 16). Writers occur on both sides of the split, so
    accuracies are higher than on unseen writers.
    """
    del settings  # nothing to find: the data come with scikit-learn
    from sklearn.datasets import load_digits  # noqa: PLC0415 - 1 s, and MNIST needs it not

    bunch = load_digits()
    images = ((bunch.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.int64)
    test = _stratified(labels)
    return DataSet(images[~test], labels[~test], images[test], labels[test])


def _stratified(labels: np.ndarray) -> np.ndarray:
    """Mask [N] of the test images: the same share of each class, the same on every machine."""
    # RandomState's streams are frozen by numpy's policy; default_rng's are not.
    shuffled = np.random.RandomState(20).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    mask = np.zeros(len(labels), dtype=bool)
    mask[by_class[::_EVERY]] = True
    return mask
