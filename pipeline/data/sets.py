"""Every data set there is: its name and what loads it. A new one is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.data import cifar10, digits, imagefolder, mnist
from pipeline.data.arrays import DataSet
from pipeline.errors import SpecError, nearest
from pipeline.variables import IMAGE_FOLDER

Loader = Callable[[Mapping[str, Any]], DataSet]
"""Takes the settings of the machine (data_root), which say where data lie, never what: but for
the user's own folder of images, whose unit is named by it."""

LOADERS: dict[str, Loader] = {
    "cifar10": cifar10.load,
    "digits": digits.load,
    IMAGE_FOLDER: imagefolder.load,
    "mnist": mnist.load,
}


def load(name: str, settings: Mapping[str, Any]) -> DataSet:
    """Raises SpecError for an unknown name, PipelineError where the data cannot be had."""
    if name not in LOADERS:
        raise SpecError(f"dataset = {name!r}: unknown; {nearest(name, LOADERS)}")
    return LOADERS[name](settings)
