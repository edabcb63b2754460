"""All data sets by name, each with its loader. To add one, add a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.data import cifar10, digits, imagefolder, maskedface, mnist, own_arrays
from pipeline.data.arrays import DataSet
from pipeline.errors import SpecError, nearest
from specs.data import IMAGE_FOLDER, MASKED_FACE, OWN_ARRAYS, DataSpec, Resize

Loader = Callable[[Mapping[str, Any], DataSpec, Resize | None], DataSet]
"""Loads a data set. Its arguments are the settings of the machine, the network's [data], and the
size to which images are resized as they are read, for data sets that have images of any size.

The setting data_root says only where the data are. Only for the user's own data does it decide the
content, and then it is part of the unit's name."""


def _fixed(loader: Callable[[Mapping[str, Any]], DataSet]) -> Loader:
    """The loader of a data set that [data] does not change."""
    return lambda settings, *_: loader(settings)


def _of_one_size(loader: Callable[[Mapping[str, Any], DataSpec], DataSet]) -> Loader:
    """The loader of a data set whose images have one size."""
    return lambda settings, spec, _: loader(settings, spec)


LOADERS: dict[str, Loader] = {
    "cifar10": _fixed(cifar10.load),
    "digits": _fixed(digits.load),
    IMAGE_FOLDER: imagefolder.load,
    MASKED_FACE: _of_one_size(maskedface.load),
    "mnist": _fixed(mnist.load),
    OWN_ARRAYS: _of_one_size(own_arrays.load),
}

FOLDERS = {
    IMAGE_FOLDER: imagefolder.LAYOUT,
    MASKED_FACE: maskedface.LAYOUT,
    OWN_ARRAYS: own_arrays.LAYOUT,
}
"""The required content of data_root for the data sets that are the user's own."""


def load(
    name: str, settings: Mapping[str, Any], spec: DataSpec, size: Resize | None = None
) -> DataSet:
    """Loads a data set by name.

    Raises SpecError for an unknown name, PipelineError if the data cannot be loaded.
    """
    if name not in LOADERS:
        raise SpecError(f"dataset = {name!r}: unknown; {nearest(name, LOADERS)}")
    data = LOADERS[name](settings, spec, size)
    return data if name == MASKED_FACE else data.first(spec.train_images, spec.test_images)


def fingerprint(name: str, root: Path) -> str:
    """A digest of the names, sizes and modification times of all files that would be loaded."""
    if name == OWN_ARRAYS:
        return own_arrays.fingerprint(root)
    return maskedface.fingerprint(root) if name == MASKED_FACE else imagefolder.fingerprint(root)
