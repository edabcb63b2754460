"""A QONNX model of the user's own: cleaned, checked, and brought to the form that FINN streamlines.

Exporters differ in what they write for the same network. What changes here changes no value, which
is shown on inputs: channels come first, convolutions tell all their attributes, unsigned quantisers
stand behind a ReLU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

from pipeline.data.inputs import evaluation_inputs, planes
from pipeline.errors import PipelineError, VerificationError
from pipeline.export.description import describe, read
from pipeline.export.files import LABELS, LOGITS, MODEL
from pipeline.export.normal import normalised
from pipeline.export.verify import TOLERANCE, execute, unsanitised
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.qonnx_graph import QUANTISERS, attributes, bypass, end_at
from specs.network import InputSpec, Model, QonnxModel

SAME = 8
"""Inputs on which the model is shown to be what the file holds."""
_BLOCK = 500
"""Inputs executed at a time."""

SUPPORTED = (
    *("Add", "AveragePool", "BatchNormalization", "BipolarQuant", "Conv", "Div", "Dropout"),
    *("Flatten", "Gemm", "Identity", "IntQuant", "MatMul", "MaxPool", "Mul", "Pad", "Quant"),
    *("Relu", "Reshape", "Sub", "Transpose", "Trunc"),
)
"""Operators with a hardware layer, or that become part of one."""
TAIL = ("ArgMax", "LogSoftmax", "Sigmoid", "Softmax", "TopK")
"""Operators at the end that leave the order of the classes: software's, dropped here."""


def run(job: Job) -> Metrics:
    """Writes model.onnx (input [1, C, H, W] or [1, F] float32), logits.npy and labels.npy.

    logits: float32 [N, classes] of the model on all test images, or on random inputs; labels: the
    index of the greatest. PipelineError: all that no hardware layer stands for, node by node.
    """
    contract = job.spec("network.input", InputSpec)
    spec: QonnxModel = job.spec("network.model", Model)  # type: ignore[arg-type]
    path = job.own_file(spec.file)
    layout = spec.layout or describe(path).layout
    progress("cleaning", 0.1)
    original, dropped = without_tail(clean(ModelWrapper(read(path))))
    if faults := [*unsupported(original)]:
        raise PipelineError(
            f"{path}: {len(faults)} of its {len(original.graph.node)} operators have no hardware "
            "layer:\n" + "\n".join(f"  {fault}" for fault in faults) + "\n"
            f"supported: {', '.join(SUPPORTED)}; at the end also {', '.join(TAIL)}"
        )
    model = normalised(original, layout)
    model.save(str(job.folder / MODEL))
    progress("executing", 0.4)
    data = evaluation_inputs(job, contract)
    inputs = planes(data.images, contract)
    logits = execute(model, inputs, _BLOCK).reshape(len(inputs), -1)
    difference = require_same(original, inputs[:SAME], layout, logits[:SAME])
    labels = logits.argmax(axis=1).astype(np.int64)
    np.save(job.folder / LOGITS, logits)
    np.save(job.folder / LABELS, labels)
    figures = {
        "images": Figure(len(inputs), data.what, "measured"),
        "classes": Figure(logits.shape[1], "", "measured"),
        "dropped": Figure(", ".join(dropped) or "nothing", "", "measured"),
        "difference": Figure(difference, "", "measured"),
        "tolerance": Figure(TOLERANCE, "", "measured"),
    }
    if data.labels is not None:
        share = 100.0 * float((labels == data.labels).mean())
        figures["accuracy"] = Figure(share, "%", "measured")
    return figures


def clean(model: Any) -> Any:
    """Of batch 1, constants folded, nodes named, every attribute written out."""
    for operator in ("IntQuant",):
        for node in model.get_nodes_by_op_type(operator):
            node.op_type = "Quant"
    dims = [x.dim_value for x in model.graph.input[0].type.tensor_type.shape.dim]
    try:
        model = cleanup_model(model, override_inpsize=(1, *dims[1:]))
    except Exception as error:  # noqa: BLE001 - onnx' shape inference raises what it likes
        raise PipelineError(f"the ONNX model is not consistent: {error}") from None
    _fill_attributes(model)
    for node in [*model.get_nodes_by_op_type("Dropout"), *model.get_nodes_by_op_type("Identity")]:
        bypass(model, node)
    return model


def without_tail(model: Any) -> tuple[Any, list[str]]:
    """The model up to its scores, and the names of what followed them."""
    dropped: list[str] = []
    while True:
        node = model.find_producer(model.graph.output[0].name)
        reshapes = dropped and node.op_type in ("Cast", "Squeeze")
        if node.op_type not in TAIL and not reshapes:
            return model, dropped[::-1]
        for output in node.output[1:]:  # TopK's second
            if model.find_consumers(output):
                return model, dropped[::-1]
        dropped.append(node.name)
        model.graph.node.remove(node)
        end_at(model, node.input[0])


def unsupported(model: Any) -> Iterator[str]:
    """Each node that no hardware layer stands for, with its shapes and why."""
    for node in model.graph.node:
        why = _why_unsupported(model, node)
        if why is not None:
            shapes = [model.get_tensor_shape(name) for name in node.input[:1]]
            made = model.get_tensor_shape(node.output[0])
            yield f"{node.name} ({node.op_type}, {shapes[0]} -> {made}): {why}"


def _why_unsupported(model: Any, node: Any) -> str | None:
    """None if there is a layer for it, as far as the node and its neighbours tell."""
    kind = node.op_type
    if kind == "FloatQuant":
        return "minifloats have no integer datapath; quantise to integers (Quant)"
    if kind not in SUPPORTED:
        return "no hardware layer"
    if kind in ("Conv", "Gemm", "MatMul"):
        return _why_no_product(model, node)
    if kind == "MaxPool":
        found = attributes(node)
        kernel, strides = found["kernel_shape"], found["strides"]
        if kernel != strides or any(found["pads"]) or found.get("ceil_mode"):
            return (
                f"windows of {kernel} with strides {strides} and padding {found['pads']}; "
                "max-pools without overlap and padding have a layer"
            )
    if kind in QUANTISERS and model.get_initializer(node.input[0]) is None:
        zero = model.get_initializer(node.input[2]) if kind != "BipolarQuant" else None
        if zero is not None and zero.any():
            return "its zero point is not 0"
        rounding = attributes(node).get("rounding_mode", b"ROUND").decode()
        if rounding != "ROUND":
            return f"rounding_mode {rounding}; ROUND, to the nearest and to even, has a layer"
        if kind != "BipolarQuant":
            bits = model.get_initializer(node.input[3])
            if bits is None or bits.size != 1 or not 1 <= bits.item() <= 8:
                shown = (
                    "bits by channel" if bits is None or bits.size != 1 else f"{bits.item():g} bits"
                )
                return f"{shown}; activations of 1 to 8 bits have a layer"
    if kind == "Relu":
        behind = model.find_consumers(node.output[0]) or []
        while behind and behind[0].op_type in ("MaxPool", "Transpose", "Reshape", "Flatten"):
            behind = model.find_consumers(behind[0].output[0]) or []
        if not behind or behind[0].op_type not in QUANTISERS:
            return "no quantiser behind it: an integer datapath needs one (e.g. a quantised ReLU)"
    return None


def _why_no_product(model: Any, node: Any) -> str | None:
    weights = node.input[1]
    quantiser = model.find_producer(weights)
    if model.get_initializer(weights) is None and quantiser is None:
        return "multiplies two streams; one side must be weights"
    if quantiser is not None and quantiser.op_type not in QUANTISERS:
        return "multiplies two streams; one side must be quantised weights"
    if quantiser is None and not model.get_tensor_datatype(weights).is_integer():
        return "its weights are floats; quantise them (Quant, BipolarQuant)"
    if node.op_type == "Conv":
        found = attributes(node)
        if found["group"] != 1:
            return f"{found['group']} groups; convolutions of one group have a layer"
        if len(found["kernel_shape"]) != 2:
            return f"a kernel of {len(found['kernel_shape'])} dimensions; two are supported"
        if set(found["dilations"]) != {1}:
            return f"dilations {found['dilations']}; undilated convolutions have a layer"
    return None


def _fill_attributes(model: Any) -> None:
    """Writes ONNX' defaults into convolutions and pools, as FINN reads attributes only."""
    for node in model.graph.node:
        if node.op_type not in ("Conv", "MaxPool", "AveragePool"):
            continue
        found = attributes(node)
        source = model.get_tensor_shape(node.input[0])[2:]
        if "kernel_shape" not in found:
            found["kernel_shape"] = model.get_tensor_shape(node.input[1])[2:]
        kernel = found["kernel_shape"]
        ones = [1] * len(kernel)
        defaults: dict[str, Any] = {"strides": ones, "pads": [0] * (2 * len(kernel))}
        if node.op_type == "Conv":
            defaults |= {"group": 1, "dilations": ones}
        found = defaults | found
        auto = found.pop("auto_pad", b"NOTSET").decode()
        if auto.startswith("SAME"):
            found["pads"] = _same_pads(source, kernel, found["strides"], auto == "SAME_UPPER")
        del node.attribute[:]
        node.attribute.extend(helper.make_attribute(*entry) for entry in found.items())


def _same_pads(source: list[int], kernel: list[int], strides: list[int], upper: bool) -> list[int]:
    """ONNX' definition of auto_pad = SAME_UPPER and SAME_LOWER: begins, then ends."""
    least, most = [], []
    for size, window, stride in zip(source, kernel, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + window - size)
        least.append(total // 2)
        most.append(total - total // 2)
    return [*least, *most] if upper else [*most, *least]


def require_same(
    original: Any, inputs: np.ndarray, layout: str | None, logits: np.ndarray
) -> float:
    """Greatest difference of the normalised model's logits from the file's own, input by input.

    inputs: [N, C, H, W] or [N, F]. Raises VerificationError.
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
