"""Which operators of a QONNX graph have a hardware layer, as far as the graph itself tells."""

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
"""Operators with a hardware layer, or that become part of one."""
TAIL = ("ArgMax", "LogSoftmax", "Sigmoid", "Softmax", "TopK")
"""Operators at the end that leave the order of the classes: software's, dropped here."""


def require_supported(model: Any, who: str) -> None:
    """PipelineError: all operators without a layer, node by node; `who`: whose graph it is."""
    if faults := [*unsupported(model)]:
        count = f"{len(faults)} of its {len(model.graph.node)}"
        raise PipelineError(
            f"{who}: {count} operators have no hardware layer:\n"
            + "\n".join(f"  {fault}" for fault in faults)
            + f"\nsupported: {', '.join(SUPPORTED)}; at the end also {', '.join(TAIL)}"
        )


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
    if kind in TAIL and node.output[0] == model.graph.output[0].name:
        return f"{attributes(node)}: only where it leaves the greatest of the last axis on top"
    if kind not in SUPPORTED:
        return "no hardware layer"
    if kind in ("Sub", "Div") and model.get_initializer(node.input[1]) is None:
        return "subtracts or divides by a stream; constants have a layer"
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
            scale = model.get_initializer(node.input[1])
            if scale is None or scale.size != 1 or not scale.item() > 0:
                return "its scale is not one positive number; such activations have a layer"
            if bits is None or bits.size != 1 or bits.item() not in range(1, 9):
                shown = (
                    "bits by channel" if bits is None or bits.size != 1 else f"{bits.item():g} bits"
                )
                return f"{shown}; activations of 1 to 8 bits have a layer"
        if kind == "BipolarQuant" and model.graph.output[0].name == node.output[0]:
            return "at the end; scores come from a layer of more than one bit"
    if kind == "Relu" and not _goes_into(model, node, QUANTISERS):
        return "no quantiser behind it: an integer datapath needs one (e.g. a quantised ReLU)"
    return None


def _goes_into(model: Any, node: Any, kinds: tuple[str, ...]) -> bool:
    """Whether what `node` gives meets one of `kinds` next, past operators that move values."""
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
            return f"{found['group']} groups; convolutions of one group have a layer"
        if len(found["kernel_shape"]) != 2:
            return f"a kernel of {len(found['kernel_shape'])} dimensions; two are supported"
        if set(found["dilations"]) != {1}:
            return f"dilations {found['dilations']}; undilated convolutions have a layer"
    return None
