"""Networks trained elsewhere."""

from __future__ import annotations

from typing import Literal

from specs.models.base import ModelSpec

Layout = Literal["NCHW", "NHWC"]


class QonnxModel(ModelSpec):
    """A network trained elsewhere, as QONNX: it enters behind export."""

    family: Literal["qonnx"]
    file: str
    """A QONNX file, relative to this one; in a job, its sha256."""
    layout: Layout | None = None
    """Of the file's input; None: as its operators say."""
