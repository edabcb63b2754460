"""MNIST from its four IDX files: a copy of the user's, or one downloaded to a cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from pipeline.data import idx
from pipeline.data.arrays import DataSet
from pipeline.data.download import Source, UnreachableError, fetch
from pipeline.errors import PipelineError

SOURCES = (
    Source(
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    Source(
        "train-labels-idx1-ubyte",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    Source(
        "t10k-images-idx3-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    Source(
        "t10k-labels-idx1-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
"""In this order: training images and labels, test images and labels."""

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

_PLACES = ("", "mnist", "MNIST/raw")
"""Folders to search below data_root: itself, one beside other data sets, and torchvision's."""

_WAY_OUT = (
    "Give the folder of the four IDX files (gzip or raw) with data_root=FOLDER, "
    "or train on the embedded images with dataset=digits."
)


def load(
    settings: Mapping[str, Any],
    sources: tuple[Source, ...] = SOURCES,
    mirrors: tuple[str, ...] = MIRRORS,
    cache: Path | None = None,
) -> DataSet:
    """Loads MNIST: 60,000 training and 10,000 test images of 28x28x1.

    If data_root is set, only that is searched. PipelineError: files are missing, no mirror can be
    reached, or the content of a file is not MNIST's.
    """
    root = settings.get("data_root")
    if root:
        folder = _find(Path(root), sources)
    else:
        folder = cache or Path(platformdirs.user_cache_dir("qnn-to-fpga")) / "mnist"
        try:
            fetch(sources, mirrors, folder)
        except UnreachableError as error:
            raise PipelineError(f"MNIST could not be downloaded.\n{error}\n{_WAY_OUT}") from None
    arrays = [idx.read(source, folder) for source in sources]
    return DataSet(
        arrays[0][..., None],
        arrays[1].astype(np.int64),
        arrays[2][..., None],
        arrays[3].astype(np.int64),
    )


def _find(root: Path, sources: tuple[Source, ...]) -> Path:
    """The first folder of `_PLACES` below `root` that has all four files."""
    missing = ""
    for place in (root / below for below in _PLACES):
        absent = [source.name for source in sources if idx.find(source, place) is None]
        if not absent:
            return place
        if len(absent) < len(sources):
            missing = f"\n{place} lacks {', '.join(absent)}"
    names = ", ".join(source.name for source in sources)
    places = ", ".join(below or "." for below in _PLACES)
    raise PipelineError(
        f"data_root = {root}: no MNIST there; looked in {places} "
        f"for {names}, each as it is or with .gz.{missing}\n{_WAY_OUT}"
    )
