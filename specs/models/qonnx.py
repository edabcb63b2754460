"""The spec of networks that were trained elsewhere."""

from __future__ import annotations

from typing import Literal

from specs.models.base import ModelSpec

Layout = Literal["NCHW", "NHWC"]


class QonnxModel(ModelSpec):
    """A network that was trained elsewhere, as a QONNX file. It is not trained or exported here."""

    family: Literal["qonnx"]
    """A QONNX file that was trained elsewhere."""
    file: str
    """Path of the QONNX file, relative to this TOML file. Jobs hold its sha256 instead."""
    layout: Layout | None = None
    """Order of the axes of the file's input. Without it the file's first operators must show it."""
