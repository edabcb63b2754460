"""Which operators of a QONNX graph have a hardware layer, as far as the graph shows that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.errors import PipelineError
from pipeline.qonnx.edit import QUANTISERS, attributes

SUPPORTED = (
    *("Add", "AveragePool", "BatchNormalization", "BipolarQuant", "Conv", "Div", "Dropout"),
    *("Flatten", "Gemm", "Identity", "IntQuant", "MatMul", "MaxPool", "Mul", "Quant"),
    *("Relu", "Reshape", "Sub", "Transpose", "Trunc"),
)
"""Operators that have a hardware layer or become part of one."""
TAIL = ("ArgMax", "LogSoftmax", "Sigmoid", "Softmax", "TopK")
"""Operators that are removed from the end: they do not change the order of the classes, and
software can compute them."""


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
    for node in model.graph.node:
        why = _why_unsupported(model, node)
        if why is not None:
            shapes = [model.get_tensor_shape(name) for name in node.input[:1]]
            made = model.get_tensor_shape(node.output[0])
            yield f"{node.name} ({node.op_type}, {shapes[0]} -> {made}): {why}"


def _why_unsupported(model: Any, node: Any) -> str | None:
    """Why a node has no hardware layer; None if it has, by what it and its neighbours show."""
    kind = node.op_type
    if kind == "FloatQuant":
        return "minifloats have no integer datapath; quantise to integers (Quant)"
    if kind in TAIL and node.output[0] == model.graph.output[0].name:
        return f"{attributes(node)}: only supported if it keeps the greatest of the last axis"
    if kind not in SUPPORTED:
        return "no hardware layer"
    if kind in ("Sub", "Div") and model.get_initializer(node.input[1]) is None:
        return "subtracts or divides by a stream; only constants are supported"
    if kind == "AveragePool" and not _goes_into(model, node, ("Trunc",)):
        return "no Trunc behind it: an integer datapath needs one"
    if kind in ("Conv", "Gemm", "MatMul"):
        return _why_no_product(model, node)
    if kind == "MaxPool":
        found = attributes(node)
        kernel, strides = found["kernel_shape"], found["strides"]
        if kernel != strides or any(found["pads"]) or found.get("ceil_mode"):
            return (
                f"windows of {kernel} with strides {strides} and padding {found['pads']}; "
                "only max-pools without overlap and padding are supported"
            )
    if kind in QUANTISERS and model.get_initializer(node.input[0]) is None:
        zero = model.get_initializer(node.input[2]) if kind != "BipolarQuant" else None
        if zero is not None and zero.any():
            return "its zero point is not 0"
        rounding = attributes(node).get("rounding_mode", b"ROUND").decode()
        if rounding != "ROUND":
            return f"rounding_mode {rounding}; only ROUND (half to even) is supported"
        if kind != "BipolarQuant":
            bits = model.get_initializer(node.input[3])
            scale = model.get_initializer(node.input[1])
            if scale is None or scale.size != 1 or not scale.item() > 0:
                return "its scale is not one positive number; activations need one"
            if bits is None or bits.size != 1 or bits.item() not in range(1, 9):
                shown = (
                    "bits by channel" if bits is None or bits.size != 1 else f"{bits.item():g} bits"
                )
                return f"{shown}; only activations of 1 to 8 bits are supported"
        if kind == "BipolarQuant" and model.graph.output[0].name == node.output[0]:
            return "it gives the scores, which need more than one bit"
    if kind == "Relu" and not _goes_into(model, node, QUANTISERS):
        return "no quantiser behind it: an integer datapath needs one (e.g. a quantised ReLU)"
    return None


def _goes_into(model: Any, node: Any, kinds: tuple[str, ...]) -> bool:
    """Whether one of `kinds` follows `node`, with only operators that move values between them."""
    behind = model.find_consumers(node.output[0]) or []
    while behind and behind[0].op_type in ("MaxPool", "Transpose", "Reshape", "Flatten"):
        behind = model.find_consumers(behind[0].output[0]) or []
    return bool(behind) and behind[0].op_type in kinds


def _why_no_product(model: Any, node: Any) -> str | None:
    weights = node.input[1]
    quantiser = model.find_producer(weights)
    if model.get_initializer(weights) is None and quantiser is None:
        return "multiplies two streams; one side must be weights"
    if quantiser is not None and quantiser.op_type not in QUANTISERS:
        return "multiplies two streams; one side must be quantised weights"
    if quantiser is None and not model.get_tensor_datatype(weights).is_integer():
        return "its weights are floats; quantise them (Quant, BipolarQuant)"
    if quantiser is not None and quantiser.op_type != "BipolarQuant":
        scale = model.get_initializer(quantiser.input[1])
        axis = 0 if node.op_type == "Conv" or attributes(node).get("transB") else -1
        if scale is None or (scale.size != 1 and scale.shape[axis] != scale.size):
            return "the scale of its weights is not one number, nor one for each output"
    if node.op_type == "Conv":
        found = attributes(node)
        if found["group"] != 1:
            return f"{found['group']} groups; only convolutions of one group are supported"
        if len(found["kernel_shape"]) != 2:
            return f"a kernel of {len(found['kernel_shape'])} dimensions; two are supported"
        if set(found["dilations"]) != {1}:
            return f"dilations {found['dilations']}; convolutions must have no dilation"
    return None
