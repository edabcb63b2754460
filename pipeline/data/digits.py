"""The digits that come with scikit-learn: 1,797 images of 8x8, without a download."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import distribution
from typing import Any

import numpy as np

from pipeline.data.arrays import DataSet

_EVERY = 5
"""One image in five of each class is a test image."""


def load(settings: Mapping[str, Any]) -> DataSet:
    """Loads 1,437 training and 360 test images, both in the original order.

    A pixel v of 0..16 becomes round-half-up(255 * v / 16). The same writers are in the training and
    in the test set, so that accuracies are higher than for unseen writers.
    """
    del settings  # not needed: the data come with scikit-learn
    # its own file, 64 pixels and the label a line; importing its load_digits takes 2 s
    folder = distribution("scikit-learn").locate_file("sklearn/datasets/data")
    rows = np.loadtxt(str(folder.joinpath("digits.csv.gz")), delimiter=",").astype(np.int64)
    images = ((rows[:, :64] * 255 + 8) // 16).astype(np.uint8).reshape(-1, 8, 8, 1)
    labels = rows[:, 64]
    test = _stratified(labels)
    return DataSet(images[~test], labels[~test], images[test], labels[test])


def _stratified(labels: np.ndarray) -> np.ndarray:
    """The mask [N] of the test images: the same share of each class, the same on all machines."""
    # NumPy guarantees that RandomState's numbers never change; it does not for default_rng.
    shuffled = np.random.RandomState(20).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    mask = np.zeros(len(labels), dtype=bool)
    mask[by_class[::_EVERY]] = True
    return mask
