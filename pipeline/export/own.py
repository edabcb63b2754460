"""A QONNX model of the user's own: cleaned, checked, and brought to the form that FINN streamlines.

Exporters differ in what they write for the same network. What changes here changes no value, which
is shown on inputs: channels come first, convolutions tell all their attributes, unsigned quantisers
stand behind a ReLU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.gemm_to_matmul import GemmToMatMul
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.cleanup import cleanup_model

from pipeline.data.inputs import evaluation_inputs, planes
from pipeline.errors import PipelineError, VerificationError
from pipeline.export.description import describe, read
from pipeline.export.files import LABELS, LOGITS, MODEL
from pipeline.export.verify import TOLERANCE, execute, unsanitised
from pipeline.job import Figure, Job, Metrics, progress
from specs.network import InputSpec, Model, QonnxModel

SAME = 8
"""Inputs on which the model is shown to be what the file holds."""
_BLOCK = 500
"""Inputs executed at a time."""

QUANTISERS = ("Quant", "IntQuant", "BipolarQuant")
SUPPORTED = (
    *("Add", "AveragePool", "BatchNormalization", "BipolarQuant", "Conv", "Div", "Dropout"),
    *("Flatten", "Gemm", "Identity", "IntQuant", "MatMul", "MaxPool", "Mul", "Pad", "Quant"),
    *("Relu", "Reshape", "Sub", "Transpose", "Trunc"),
)
"""Operators with a hardware layer, or that become part of one."""
TAIL = ("ArgMax", "LogSoftmax", "Sigmoid", "Softmax", "TopK")
"""Operators at the end that leave the order of the classes: software's, dropped here."""
_LAYOUT_FREE = (*QUANTISERS, "Relu", "Mul", "Div", "Add", "Sub", "Identity")


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
        _bypass(model, node)
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
        _end_at(model, node.input[0])


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
        attributes = _attributes(node)
        kernel, strides = attributes["kernel_shape"], attributes["strides"]
        if kernel != strides or any(attributes["pads"]) or attributes.get("ceil_mode"):
            return (
                f"windows of {kernel} with strides {strides} and padding {attributes['pads']}; "
                "max-pools without overlap and padding have a layer"
            )
    if kind in QUANTISERS and model.get_initializer(node.input[0]) is None:
        zero = model.get_initializer(node.input[2]) if kind != "BipolarQuant" else None
        if zero is not None and zero.any():
            return "its zero point is not 0"
        rounding = _attributes(node).get("rounding_mode", b"ROUND").decode()
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
        attributes = _attributes(node)
        if attributes["group"] != 1:
            return f"{attributes['group']} groups; convolutions of one group have a layer"
        if len(attributes["kernel_shape"]) != 2:
            return f"a kernel of {len(attributes['kernel_shape'])} dimensions; two are supported"
        if set(attributes["dilations"]) != {1}:
            return f"dilations {attributes['dilations']}; undilated convolutions have a layer"
    return None


def normalised(model: Any, layout: str | None) -> Any:
    """The same network with channels first, in the operators that FINN takes; a copy."""
    model = ModelWrapper(model.model, make_deepcopy=True)
    model = cleanup_model(model.transform(GemmToMatMul()))  # weights transposed where they lie
    if len(model.get_tensor_shape(model.graph.input[0].name)) == 4:
        if layout == "NHWC":
            _channels_first(model)
        _flatten_channels_first(model)
    _relu_before_unsigned(model)
    return cleanup_model(model.transform(InferShapes()))


def _attributes(node: Any) -> dict[str, Any]:
    return {x.name: helper.get_attribute_value(x) for x in node.attribute}


def _fill_attributes(model: Any) -> None:
    """Writes ONNX' defaults into convolutions and pools, as FINN reads attributes only."""
    for node in model.graph.node:
        if node.op_type not in ("Conv", "MaxPool", "AveragePool"):
            continue
        found = _attributes(node)
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


def _end_at(model: Any, tensor: str) -> None:
    """Makes `tensor` the output of the graph."""
    value = model.get_tensor_valueinfo(tensor)
    model.graph.output.pop()
    model.graph.output.append(value)
    if value in model.graph.value_info:
        model.graph.value_info.remove(value)


def _bypass(model: Any, node: Any) -> None:
    source, target = node.input[0], node.output[0]
    model.graph.node.remove(node)
    if target == model.graph.output[0].name:
        _end_at(model, source)
    for reader in model.graph.node:
        reader.input[:] = [source if name == target else name for name in reader.input]


def _channels_first(model: Any) -> None:
    """Gives a network of channels-last images an input of channels-first ones.

    The transpose that such a network begins with, sooner or later, goes; before it are operators
    of single values.
    """
    at = model.graph.input[0].name
    before = [at]
    while True:
        readers = model.find_consumers(at) or []
        node = readers[0] if len(readers) == 1 else None
        if node is not None and node.op_type == "Transpose":
            if _attributes(node).get("perm") == [0, 3, 1, 2]:
                break
            node = None
        if node is None or node.op_type not in _LAYOUT_FREE or not _scalar(model, node):
            _transpose_input(model)
            return
        at = node.output[0]
        before.append(at)
    for name in before:
        count, height, width, channels = model.get_tensor_shape(name)
        model.set_tensor_shape(name, [count, channels, height, width])
    _bypass(model, node)


def _scalar(model: Any, node: Any) -> bool:
    """Whether all its constants are single numbers."""
    constants = [model.get_initializer(name) for name in node.input]
    return all(value is None or value.size == 1 for value in constants)


def _transpose_input(model: Any) -> None:
    """The same by a transpose of its own in front."""
    source = model.graph.input[0]
    name = source.name
    count, height, width, channels = model.get_tensor_shape(name)
    for reader in model.graph.node:
        reader.input[:] = ["channels_last" if x == name else x for x in reader.input]
    model.set_tensor_shape(name, [count, channels, height, width])
    made = helper.make_tensor_value_info(
        "channels_last", TensorProto.FLOAT, [count, height, width, channels]
    )
    model.graph.value_info.append(made)
    transpose = helper.make_node("Transpose", [name], ["channels_last"], perm=[0, 2, 3, 1])
    model.graph.node.insert(0, transpose)


def _flatten_channels_first(model: Any) -> None:
    """Flattens channels-last maps as channels-first ones, and reorders the weights behind it."""
    for node in [*model.get_nodes_by_op_type("Transpose")]:
        if _attributes(node).get("perm") != [0, 2, 3, 1]:
            continue
        readers = model.find_consumers(node.output[0]) or []
        if len(readers) != 1 or readers[0].op_type not in ("Reshape", "Flatten"):
            continue
        at, product = readers[0].output[0], None
        while (behind := model.find_consumers(at) or []) and len(behind) == 1:
            if behind[0].op_type == "MatMul":
                product = behind[0]
                break
            if behind[0].op_type not in _LAYOUT_FREE or not _scalar(model, behind[0]):
                break
            at = behind[0].output[0]
        if product is None:
            continue
        name = product.input[1]
        if (quantiser := model.find_producer(name)) is not None:
            if quantiser.op_type == "Quant" and not _scalar_scale(model, quantiser):
                continue
            name = quantiser.input[0]
        weights = model.get_initializer(name)
        _, height, width, channels = model.get_tensor_shape(node.output[0])
        order = np.arange(height * width * channels).reshape(height, width, channels)
        model.set_initializer(name, weights[order.transpose(2, 0, 1).reshape(-1)])
        _bypass(model, node)


def _scalar_scale(model: Any, quantiser: Any) -> bool:
    """Whether its scale is a number, or one for each output."""
    scale = model.get_initializer(quantiser.input[1])
    return scale is not None and (scale.size == 1 or scale.shape[0] == 1)


def _relu_before_unsigned(model: Any) -> None:
    """Puts a ReLU in front of each unsigned quantiser, and unsigned quantisers behind each ReLU.

    FINN knows a ReLU and its quantiser as one; either alone cuts off the negative values.
    """
    for node in [*model.get_nodes_by_op_type("Quant")]:
        if model.get_initializer(node.input[0]) is not None:
            continue
        attributes = _attributes(node)
        before = model.find_producer(node.input[0])
        after_relu = before is not None and before.op_type == "Relu"
        if after_relu and attributes.get("signed", 1):
            bits = model.get_initializer(node.input[3])
            if bits.item() > 1:
                own = f"{node.output[0]}_bits"
                model.set_initializer(own, bits - 1)
                node.input[3] = own
                _set(node, signed=0, narrow=0)
        elif not after_relu and not attributes.get("signed", 1) and before is not None:
            made = f"{node.output[0]}_relu"
            shape = model.get_tensor_shape(node.input[0])
            model.graph.value_info.append(
                helper.make_tensor_value_info(made, TensorProto.FLOAT, shape)
            )
            relu = helper.make_node("Relu", [node.input[0]], [made])
            model.graph.node.insert([*model.graph.node].index(node), relu)
            node.input[0] = made


def _set(node: Any, **values: int) -> None:
    kept = [x for x in node.attribute if x.name not in values]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(*entry) for entry in values.items())])


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
