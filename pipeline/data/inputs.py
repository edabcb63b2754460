"""The inputs to check a network with: the test images of its data set, or random inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.data.arrays import FILE, DataSet
from pipeline.data.prepare import network_input, prepare
from pipeline.hardware.datatypes import DataType
from pipeline.job import Figure, Job, Metrics, progress
from specs.input import InputSpec

RANDOM = 1000
"""How many random inputs are drawn if there is no data set."""


@dataclass(frozen=True)
class Inputs:
    """Inputs. images: prepared integers [N, *shape]. labels: int64 [N]; None: they are unknown."""

    images: np.ndarray
    labels: np.ndarray | None

    @property
    def what(self) -> str:
        """The unit of their number."""
        return "random inputs" if self.labels is None else "images"


def evaluation_inputs(job: Job, contract: InputSpec) -> Inputs:
    """The job's test set, prepared by the contract; random inputs if the job has no data."""
    if "data" not in job.inputs:
        return Inputs(draw(contract, RANDOM), None)
    data = DataSet.read(job.inputs["data"] / FILE)
    return Inputs(prepare(data.test_images, contract), data.test_labels)


def spare_outputs(outputs: int, classes: int) -> Metrics:
    """Tells of a network that has more outputs than the data set has classes.

    This is allowed, since a part of a data set may lack the last classes, but it is often a mistake
    in `model.classes`. {}: it has as many.
    """
    if outputs <= classes:
        return {}
    progress(f"the network has {outputs} outputs, and the data set only {classes} classes")
    return {"outputs": Figure(f"{outputs} for {classes} classes", "", "measured")}


def planes(images: np.ndarray, contract: InputSpec) -> np.ndarray:
    """Prepared images as a network's input: float32 [N, C, H, W], or [N, F]."""
    values = network_input(images, contract)
    if values.ndim == 2:
        return values
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def draw(contract: InputSpec, count: int) -> np.ndarray:
    """Random integers [count, *shape], uniform over the input's datatype; always the same ones."""
    dtype = DataType(contract.dtype)
    generator = np.random.default_rng(0)
    kind = np.int8 if dtype.signed else np.uint8
    return generator.integers(
        dtype.min, dtype.max, (count, *contract.shape), dtype=kind, endpoint=True
    )
