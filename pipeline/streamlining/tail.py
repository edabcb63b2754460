"""The end of a network: the scales and shifts after its last layer, and their arg-max."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from pipeline.errors import PipelineError
from pipeline.qonnx.edit import end_at

BIAS_ROUNDING = 1e-6
"""Relative rounding error of a float32 bias divided by a product of float32 scales."""


@dataclass(frozen=True, eq=False)
class Tail:
    """What software or an arg-max does with the last accumulators.

    scale, bias: float64 [classes]; a score of the network is accumulator * scale + bias. labels:
    the class of each accumulator in FINN's graph, int64 [classes].
    """

    scale: np.ndarray
    bias: np.ndarray
    labels: np.ndarray


_AFFINE = ("Mul", "Div", "Add", "Sub")


def take_tail(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Removes the scales and shifts at the end of `model`: software or an arg-max applies them.

    Returns scale and bias, float64 [classes]. If the new output is x, the old one was x * scale +
    bias.
    """
    output = model.graph.output[0]
    classes = model.get_tensor_shape(output.name)[-1]
    scale, bias = np.ones(classes), np.zeros(classes)
    name = output.name
    while (node := model.find_producer(name)) is not None and node.op_type in _AFFINE:
        constants = [model.get_initializer(tensor) for tensor in node.input]
        given = [index for index, constant in enumerate(constants) if constant is not None]
        if len(given) != 1 or (node.op_type in ("Sub", "Div") and given != [1]):
            break
        value = np.broadcast_to(np.float64(constants[given[0]]).reshape(-1), (classes,))
        if node.op_type in ("Mul", "Div") and not value.all():
            raise PipelineError(f"{node.name}: scales a score by 0")
        if node.op_type == "Mul":
            scale = scale * value
        elif node.op_type == "Div":
            scale = scale / value
        else:  # of the value that later nodes scale
            bias = bias + scale * (value if node.op_type == "Add" else -value)
        name = node.input[1 - given[0]]
        model.graph.node.remove(node)
    if name != output.name:
        end_at(model, name)
    return scale, bias


def append_arg_max(model: Any, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Ends `model` with the index of the greatest x * scale + bias of its outputs x [1, classes].

    This is exact for integers x. With a common scale, the order is that of x + b with b = bias /
    scale. So it is that of x + floor(b), and the fractions of b decide between equal ones. As the
    first of equal values wins, the classes are sorted by falling fractions. Returns the class of
    each output, int64 [classes]. Raises PipelineError if there is no common positive scale, or only
    one class.
    """
    from qonnx.transformation.infer_datatypes import InferDataTypes  # noqa: PLC0415
    from qonnx.transformation.insert_topk import InsertTopK  # noqa: PLC0415

    if len(scale) < 2:
        raise PipelineError(
            'output = "label": the network has a single output, and an arg-max needs at least two; '
            'use output = "logits"'
        )
    if scale.min() <= 0 or np.ptp(scale) > BIAS_ROUNDING * scale.max():
        raise PipelineError(
            'output = "label": the last layer scales its classes by different or negative factors '
            f"({scale.min():.4g} to {scale.max():.4g}), so an arg-max of integers is wrong; use "
            'output = "logits", or one positive scale for the weights of the last layer'
        )
    shifts = (bias - bias.min()) / scale
    whole = np.rint(shifts)
    order = np.arange(len(scale))
    if np.any(np.abs(shifts - whole) > BIAS_ROUNDING * np.maximum(1, np.abs(whole))):
        whole = np.floor(shifts)
        order = np.argsort(whole - shifts, kind="stable")
        _reorder_outputs(model, order)
    if whole.any():
        _append_shift(model, whole[order].astype(np.float32))
    scores = model.graph.output[0].name
    model.transform(InsertTopK(k=1), make_deepcopy=False)
    model.set_tensor_shape(scores, [1, len(scale)])  # which InsertTopK drops
    model.transform(InferDataTypes(), make_deepcopy=False)
    return order


def _reorder_outputs(model: Any, order: np.ndarray) -> None:
    product = model.find_producer(model.graph.output[0].name)
    weights = None if product is None else model.get_initializer(product.input[1])
    if product is None or product.op_type != "MatMul" or weights is None:
        what = "nothing" if product is None else f"{product.name} ({product.op_type})"
        raise PipelineError(
            'output = "label": a bias that is no multiple of the scale must follow a dense layer, '
            f'but follows {what}; use output = "logits"'
        )
    model.set_initializer(product.input[1], weights[:, order])


def _append_shift(model: Any, shift: np.ndarray) -> None:
    """Adds integers [classes] to the outputs."""
    from qonnx.core.datatype import DataType  # noqa: PLC0415

    before = model.graph.output[0]
    after = helper.make_tensor_value_info(
        "shifted", TensorProto.FLOAT, model.get_tensor_shape(before.name)
    )
    model.graph.value_info.append(before)
    model.graph.output.pop()
    model.graph.output.append(after)
    model.graph.node.append(helper.make_node("Add", [before.name, "shift"], [after.name]))
    model.set_initializer("shift", shift)
    model.set_tensor_datatype("shift", DataType["INT32"])
