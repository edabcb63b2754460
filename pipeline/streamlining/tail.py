"""The end of a network: the scales and shifts behind its last layer, and the arg-max of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from pipeline.errors import PipelineError
from pipeline.qonnx.edit import end_at

BIAS_ROUNDING = 1e-6
"""Relative: a float32 bias divided by a product of float32 scales is an integer up to that."""


@dataclass(frozen=True, eq=False)
class Tail:
    """What software or an arg-max makes of the last accumulators.

    scale, bias: float64 [classes]; a score of the network is accumulator * scale + bias. labels:
    class of each accumulator in FINN's graph, int64 [classes].
    """

    scale: np.ndarray
    bias: np.ndarray
    labels: np.ndarray


_AFFINE = ("Mul", "Div", "Add", "Sub")


def take_tail(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Takes scales and shifts off the end of `model`: they are software's, or an arg-max's.

    Returns scale and bias, float64 [classes]: an output was x * scale + bias of what it is now.
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

    Exact on integers x: with a common scale the order is that of x + b, b = bias / scale, and so
    of x + floor(b), equal ones by the fractions of b. The classes are put in the falling order of
    their fractions, since of equal ones the first wins. Returns the class of each output, int64
    [classes]. PipelineError: there is no common positive scale, or one class alone.
    """
    from qonnx.transformation.infer_datatypes import InferDataTypes  # noqa: PLC0415
    from qonnx.transformation.insert_topk import InsertTopK  # noqa: PLC0415

    if len(scale) < 2:
        raise PipelineError(
            'output = "label": the network has a single output, of which no class is the greatest; '
            'use output = "logits"'
        )
    if scale.min() <= 0 or np.ptp(scale) > BIAS_ROUNDING * scale.max():
        raise PipelineError(
            'output = "label": the last layer scales its classes by different or negative factors '
            f"({scale.min():.4g} to {scale.max():.4g}), which no arg-max of integers sees; use "
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
            f'output = "label": a bias that is no multiple of the scale stands behind {what}, no '
            'dense layer; use output = "logits"'
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
