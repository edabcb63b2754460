"""A data set as arrays, in memory and as a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError

FILE = "data.npz"
"""Name of the data set's file in the `data` stage's folder."""
_TOLD = 20
"""How many classes an error names."""
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Broken:
    """A file that cannot be read: its path below data_root, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class DataSet:
    """Original images and their labels, before any network's input contract is applied.

    images: uint8 or int8 [N, height, width, channels]; or feature vectors [N, F] of these.
    labels: int64 [N], from 0. note: what a reader of results should know of the data.
    skipped: broken files that were left out, as the spec allows.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    note: str = "original"
    skipped: tuple[Broken, ...] = ()

    def __post_init__(self) -> None:
        for images, labels in (
            (self.train_images, self.train_labels),
            (self.test_images, self.test_labels),
        ):
            vectors = images.ndim == 2 and images.dtype in (np.uint8, np.int8)
            pictures = images.ndim == 4 and images.dtype in (np.uint8, np.int8)
            if not (vectors or pictures) or 0 in images.shape:
                raise ValueError(
                    f"images: {images.dtype} {images.shape}, not uint8 or int8 [N, H, W, C]"
                )
            if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
                raise ValueError(f"labels: {labels.dtype} {labels.shape}, not int64 [N]")
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise ValueError("training and test images differ in shape")

    @property
    def classes(self) -> int:
        """The number of classes: one more than the greatest label."""
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1

    def first(self, train: int | None, test: int | None) -> DataSet:
        """Only the first `train` training images and the first `test` test images; None: all.

        PipelineError: classes are missing among these, as in data that are sorted by class.
        """
        _require_classes("train", self.train_labels, train)
        _require_classes("test", self.test_labels, test)
        note = self.note
        if train is not None or test is not None:
            part = (len(self.train_labels[:train]), len(self.test_labels[:test]))
            note = f"{note}; the first {part[0]:,} training and {part[1]:,} test images"
        return replace(
            self,
            train_images=self.train_images[:train],
            train_labels=self.train_labels[:train],
            test_images=self.test_images[:test],
            test_labels=self.test_labels[:test],
            note=note,
        )

    def write(self, path: Path) -> None:
        """Writes an uncompressed npz: fast to read, and the same bytes for the same arrays."""
        partial = path.with_suffix(".partial.npz")
        with partial.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in _ARRAYS})
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> DataSet:
        with np.load(path, allow_pickle=False) as file:
            return cls(**{name: file[name] for name in _ARRAYS})


def _require_classes(side: str, labels: np.ndarray, count: int | None) -> None:
    """Raises PipelineError if a class that has images has none among the first `count`."""
    if count is None:
        return
    classes, firsts = np.unique(labels, return_index=True)
    missing = classes[firsts >= count].tolist()
    if missing:
        more = f", and {len(missing) - _TOLD} more" if len(missing) > _TOLD else ""
        raise PipelineError(
            f"{side}_images = {count:,}: the first {count:,} of {len(labels):,} have no image of "
            f"the classes {', '.join(map(str, missing[:_TOLD]))}{more}; take at least "
            f"{firsts.max() + 1:,}, or shuffle the images if they are sorted by class"
        )
