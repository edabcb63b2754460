"""Which operators of a QONNX graph have a hardware layer, as far as the graph shows that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.qonnx.constants import MOST_CONSTANT_BITS, Constants
from pipeline.qonnx.edit import QUANTISERS, attributes

SUPPORTED = (
    *("Add", "AveragePool", "BatchNormalization", "BipolarQuant", "Conv", "Div", "Dropout"),
    *("Flatten", "Gemm", "GlobalAveragePool", "Identity", "IntQuant", "MatMul", "MaxPool", "Mul"),
    *("Quant", "Relu", "Reshape", "Sub", "Transpose", "Trunc"),
)
"""Operators that have a hardware layer or become part of one."""
MOST_BITS = 8
"""The most bits of an activation."""
TAIL = ("ArgMax", "LogSoftmax", "Sigmoid", "Softmax", "TopK")
"""Operators that are removed from the end: they do not change the order of the classes, and
software can compute them."""


_REMEDIES = {
    (
        "Celu",
        "Clip",
        "Elu",
        "Gelu",
        "HardSwish",
        "LeakyRelu",
        "Mish",
        "PRelu",
        "Selu",
        "Softplus",
    ): ("a quantised ReLU (QuantReLU) in its place has one"),
    ("HardSigmoid", "Sigmoid", "Tanh"): "a quantiser (QuantIdentity) in its place has one",
    ("ReduceMean",): "an AveragePool in its place has one",
    ("InstanceNormalization", "LayerNormalization", "GroupNormalization"): (
        "a batch norm in its place has one"
    ),
    ("Concat",): "branches that are added (Add), with one shared quantiser, have one",
}
"""What would work in place of operators without a hardware layer."""


def require_supported(model: Any, who: str) -> None:
    """Raises PipelineError that lists every operator without a hardware layer.

    who: the owner of the graph, with which the error begins.
    """
    if faults := [*unsupported(model)]:
        count = f"{len(faults)} of its {len(model.graph.node)}"
        raise PipelineError(
            f"{who}: {count} operators have no hardware layer:\n"
            + "\n".join(f"  {fault}" for fault in faults)
            + f"\nsupported: {', '.join(SUPPORTED)}; at the end also {', '.join(TAIL)}"
        )


def unsupported(model: Any) -> Iterator[str]:
    """A line for each node without a hardware layer: its shapes, and why it has none."""
    constants = Constants(model)
    for node in model.graph.node:
        if all(not name or name in constants for name in node.input):
            continue
        why = _why_unsupported(model, constants, node)
        if why is not None:
            shapes = [model.get_tensor_shape(name) for name in node.input[:1]]
            made = model.get_tensor_shape(node.output[0])
            origin = f", {node.doc_string}" if node.doc_string else ""
            yield f"{node.name} ({node.op_type}{origin}, {shapes[0]} -> {made}): {why}"


def _why_unsupported(model: Any, constants: Constants, node: Any) -> str | None:
    """Why a node has no hardware layer; None if it has, by what it and its neighbours show."""
    kind, found = node.op_type, attributes(node)
    if kind == "FloatQuant":
        return "minifloats have no integer datapath; quantise to integers (Quant)"
    if kind in TAIL and node.output[0] == model.graph.output[0].name:
        return f"{found}: only supported if it keeps the greatest of the last axis"
    if kind == "Pad":
        return "only zeros around the rows and columns in front of a convolution are supported"
    if kind not in SUPPORTED:
        remedy = next((text for kinds, text in _REMEDIES.items() if kind in kinds), "")
        return f"no hardware layer{remedy and f'; {remedy}'}"
    if kind in ("BatchNormalization", "Dropout"):
        return _why_no_norm(constants, node)
    if kind == "Div" and node.input[1] not in constants:
        return "divides by a stream; only constants are supported"
    if kind == "Mul" and not any(name in constants for name in node.input):
        return "multiplies two streams; only constants are supported"
    if kind in ("Conv", "Gemm", "MatMul"):
        return _why_no_product(constants, node)
    if kind in ("MaxPool", "AveragePool"):
        return _why_no_pool(model, node)
    if kind in QUANTISERS or kind == "Trunc":
        return _why_no_quantiser(model, constants, node)
    if kind == "Relu" and not _is_quantised(model, constants, node):
        return "no quantiser behind it: an integer datapath needs one (e.g. a quantised ReLU)"
    return None


def _why_no_norm(constants: Constants, node: Any) -> str | None:
    trains = attributes(node).get("training_mode", 0)
    if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] in constants:
        trains = constants.real(node.input[2]).any()
    if trains:
        return "exported in training mode; call model.eval() before the export"
    if not all(name in constants for name in node.input[1:] if name):
        return "its numbers are no constants"
    if node.op_type == "BatchNormalization":
        variance = constants.real(node.input[4]) + attributes(node).get("epsilon", 1e-5)
        if not np.all(variance > 0):
            return f"a variance of {variance.min():g}, with epsilon; it must be positive"
    return None


def _why_no_pool(model: Any, node: Any) -> str | None:
    found = attributes(node)
    kernel, strides = found["kernel_shape"], found["strides"]
    size = model.get_tensor_shape(node.input[0])[2:]
    if len(kernel) != 2:
        return f"windows of {len(kernel)} dimensions; two are supported"
    if set(found.get("dilations", [1])) != {1} and set(kernel) != {1}:
        return f"dilations {found['dilations']}; pools must have no dilation"
    if any(found["pads"]):
        return f"padding {found['pads']}; only pools without padding are supported"
    whole = all(side % step == 0 for side, step in zip(size, strides, strict=True))
    if found.get("ceil_mode") and not whole:
        return (
            f"ceil_mode, and windows of {kernel} do not fill {size}; only whole windows are "
            "supported (ceil_mode=False)"
        )
    if kernel not in (strides, size):
        return (
            f"windows of {kernel} with strides {strides}; only pools without overlap are supported"
        )
    return None


def _why_no_quantiser(model: Any, constants: Constants, node: Any) -> str | None:
    if not all(name in constants for name in node.input[1:]):
        return "its scale, zero point or bits are no constants"
    numbers = [constants.real(name) for name in node.input[1:]]
    if node.op_type != "BipolarQuant" and numbers[1].any():
        return "its zero point is not 0; activations need one of 0"
    if numbers[0].size != 1 or not numbers[0].item() > 0:
        return "its scale is not one positive number; activations need one"
    if node.op_type == "BipolarQuant":
        if model.graph.output[0].name == node.output[0]:
            return "it gives the scores, which need more than one bit"
        return None
    default = b"FLOOR" if node.op_type == "Trunc" else b"ROUND"
    rounding = attributes(node).get("rounding_mode", default).decode()
    allowed = ("ROUND", "HALF_EVEN", "FLOOR") if node.op_type == "Trunc" else ("ROUND", "HALF_EVEN")
    if rounding.upper() not in allowed:
        return f"rounding_mode {rounding}; supported are {', '.join(allowed)}"
    if node.op_type == "Trunc":
        if any(x.size != 1 for x in numbers):
            return "its scales, zero point or bits differ by channel; they must be one number each"
        if any(x.item() not in range(1, MOST_CONSTANT_BITS + 1) for x in (numbers[2], numbers[-1])):
            return f"its bits are not whole numbers from 1 to {MOST_CONSTANT_BITS}"
    else:
        bits = numbers[2]
        if bits.size != 1 or bits.item() not in range(1, MOST_BITS + 1):
            shown = "bits by channel" if bits.size != 1 else f"{bits.item():g} bits"
            return f"{shown}; only activations of 1 to {MOST_BITS} bits are supported"
    return None


_PASSED = (
    *("Add", "BatchNormalization", "Div", "Flatten", "MaxPool", "Mul", "Relu", "Reshape", "Sub"),
    "Transpose",
)
"""Operators that may be between a ReLU and its quantiser."""


def _is_quantised(model: Any, constants: Constants, node: Any) -> bool:
    """Whether quantisers read what a ReLU makes, perhaps behind operators with constants."""
    readers = model.find_consumers(node.output[0]) or []
    return bool(readers) and all(
        reader.op_type in QUANTISERS
        or (
            reader.op_type in _PASSED
            and all(name in constants for name in reader.input if name != node.output[0])
            and _is_quantised(model, constants, reader)
        )
        for reader in readers
    )


def _why_no_product(constants: Constants, node: Any) -> str | None:
    if node.input[1] not in constants:
        return (
            "multiplies two streams; one side must be quantised weights, as the second input, and "
            "only a factor may stand behind their quantiser"
        )
    if node.op_type == "Gemm" and attributes(node).get("transA"):
        return "transA is set; the stream must not be transposed"
    if len(node.input) > 2 and node.input[2] and node.input[2] not in constants:
        return "its bias is no constant"
    try:
        constants.weights(node.input[1], node)
    except PipelineError as error:
        return str(error).partition("): ")[2]
    if node.op_type != "Conv" and len(constants.real(node.input[1]).shape) != 2:
        return "its weights are no matrix"
    if node.op_type == "Conv":
        found = attributes(node)
        if found["group"] != 1:
            return f"{found['group']} groups; only convolutions of one group are supported"
        if len(found["kernel_shape"]) != 2:
            return f"a kernel of {len(found['kernel_shape'])} dimensions; two are supported"
        if set(found["dilations"]) != {1}:
            return f"dilations {found['dilations']}; convolutions must have no dilation"
    return None
