"""Cleans and checks a user's own QONNX model, and brings it to the form that FINN streamlines.

Exporters write the same network in different ways. The changes here keep every value, which is
shown on inputs: channels come first, convolutions have all their attributes, unsigned quantisers
follow a ReLU.
"""

from __future__ import annotations

import math
import traceback
from typing import Any

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from pipeline.data.choice import over_classes
from pipeline.data.inputs import evaluation_inputs, planes, spare_outputs
from pipeline.errors import PipelineError, VerificationError
from pipeline.export.files import LABELS, LOGITS, MODEL
from pipeline.export.verify import TOLERANCE, execute, unsanitised
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.qonnx.clean import clean, without_tail
from pipeline.qonnx.description import describe, read
from pipeline.qonnx.normal import normalised
from pipeline.qonnx.support import require_supported
from specs.input import InputSpec
from specs.models import Model, QonnxModel

SAME = 8
"""Number of inputs on which the changed model is compared with the file."""
_BLOCK, _NUMBERS = 500, 2**27
"""Inputs executed at a time, and how many numbers their tensors, which all are kept, may have."""


def run(job: Job) -> Metrics:
    """Writes model.onnx (input [1, C, H, W] or [1, F] float32), logits.npy and labels.npy.

    logits: float32 [N, classes] of the model, on all test images or on random inputs. labels: the
    index of the greatest. Raises PipelineError with all nodes that no hardware layer stands for.
    """
    contract = job.spec("network.input", InputSpec)
    spec: QonnxModel = job.spec("network.model", Model)  # type: ignore[arg-type]
    path = job.own_file(spec.file)
    said = describe(path)
    layout = spec.layout or said.layout
    if (shape := said.shape(layout)) is not None and shape != contract.shape:
        raise PipelineError(f"input.shape = {contract.shape}: the input of {path} is {shape}")
    found = read(path)
    left_out = ", ".join(found.left_out) or "nothing"
    progress(f"cleaning (left out of {path.name}: {left_out})", 0.1)
    original, dropped = without_tail(clean(ModelWrapper(found.model)))
    require_supported(original, str(path))
    data = evaluation_inputs(job, contract)
    inputs = planes(data.images, contract)
    try:
        model = normalised(original, layout)
        progress("executing", 0.4)
        logits = execute(model, inputs, _block(model)).reshape(len(inputs), -1)
        few = over_classes(data.labels, SAME, len(inputs))
        difference = require_same(original, inputs[few], layout, logits[few])
    except PipelineError:
        raise
    except Exception as error:  # noqa: BLE001 - what onnx and its run time raise is of the file
        traceback.print_exc()
        raise PipelineError(
            f"{path}: cannot be executed: {error}; the whole traceback is in the stage's log"
        ) from None
    model.save(str(job.folder / MODEL))
    if data.labels is not None and logits.shape[1] > 1 and data.labels.max() >= logits.shape[1]:
        raise PipelineError(
            f"{path}: gives {logits.shape[1]} scores, and the data set has "
            f"{data.labels.max() + 1} classes; dataset= names another"
        )
    labels = logits.argmax(axis=1).astype(np.int64)
    np.save(job.folder / LOGITS, logits)
    np.save(job.folder / LABELS, labels)
    figures = {
        "images": Figure(len(inputs), data.what, "measured"),
        "classes": Figure(logits.shape[1], "", "measured"),
        "dropped": Figure(", ".join(dropped) or "nothing", "", "measured"),
        "left_out": Figure(left_out, "", "measured"),
        "difference": Figure(difference, "", "measured"),
        "tolerance": Figure(TOLERANCE, "", "measured"),
    }
    if data.labels is not None:
        share = 100.0 * float((labels == data.labels).mean())
        figures["accuracy"] = Figure(share, "%", "measured")
        if logits.shape[1] > 1:
            figures |= spare_outputs(logits.shape[1], int(data.labels.max()) + 1)
    return figures


def _block(model: Any) -> int:
    """The number of inputs to execute at a time."""
    graph = model.graph
    shapes = [
        [x.dim_value for x in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    ]
    return max(1, min(_BLOCK, _NUMBERS // max(1, sum(map(math.prod, shapes)))))


def require_same(
    original: Any, inputs: np.ndarray, layout: str | None, logits: np.ndarray
) -> float:
    """Compares the changed model's logits with those of the file; returns the greatest difference.

    inputs: [N, C, H, W] or [N, F]. Raises VerificationError if they differ.
    """
    source, target = original.graph.input[0].name, original.graph.output[0].name
    if inputs.ndim == 4 and layout == "NHWC":
        inputs = inputs.transpose(0, 2, 3, 1)
    with unsanitised():
        found = np.stack(
            [
                execute_onnx(original, {source: np.ascontiguousarray(x[None])})[target].reshape(-1)
                for x in inputs
            ]
        )
    difference = np.abs(found - logits)
    if not np.all(difference <= TOLERANCE * np.maximum(1, np.abs(found))):
        raise VerificationError(
            "export: the model brought to FINN's form gives other scores than the file: "
            f"{logits[0].round(4)} instead of {found[0].round(4)} for the first input; please "
            "report this with the file"
        )
    return float(difference.max())
