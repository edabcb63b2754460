"""Every data set there is: its name and what loads it. A new one is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.data import cifar10, digits, imagefolder, maskedface, mnist, own_arrays
from pipeline.data.arrays import DataSet
from pipeline.errors import SpecError, nearest
from specs.data import IMAGE_FOLDER, MASKED_FACE, OWN_ARRAYS, DataSpec

Loader = Callable[[Mapping[str, Any], DataSpec], DataSet]
"""Takes the settings of the machine (data_root), which say where data lie, never what: but for
the user's own folder of images, whose unit is named by it; and the network's [data]."""


def _fixed(loader: Callable[[Mapping[str, Any]], DataSet]) -> Loader:
    """Of a data set that is the same for everybody: its [data] says nothing."""
    return lambda settings, _: loader(settings)


LOADERS: dict[str, Loader] = {
    "cifar10": _fixed(cifar10.load),
    "digits": _fixed(digits.load),
    IMAGE_FOLDER: imagefolder.load,
    MASKED_FACE: maskedface.load,
    "mnist": _fixed(mnist.load),
    OWN_ARRAYS: own_arrays.load,
}

FOLDERS = {
    IMAGE_FOLDER: imagefolder.LAYOUT,
    MASKED_FACE: maskedface.LAYOUT,
    OWN_ARRAYS: own_arrays.LAYOUT,
}
"""What data_root holds, of the sets that are the user's own."""


def load(name: str, settings: Mapping[str, Any], spec: DataSpec) -> DataSet:
    """Raises SpecError for an unknown name, PipelineError where the data cannot be had."""
    if name not in LOADERS:
        raise SpecError(f"dataset = {name!r}: unknown; {nearest(name, LOADERS)}")
    data = LOADERS[name](settings, spec)
    return data if name == MASKED_FACE else data.first(spec.train_images, spec.test_images)


def fingerprint(name: str, root: Path) -> str:
    """Digest of the names, sizes and modification times of all that the loader would look at."""
    if name == OWN_ARRAYS:
        return own_arrays.fingerprint(root)
    return maskedface.fingerprint(root) if name == MASKED_FACE else imagefolder.fingerprint(root)
