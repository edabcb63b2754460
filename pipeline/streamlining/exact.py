"""Streamlining in float64, so that the thresholds of quantisers are exact."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

from pipeline.errors import PipelineError

TIE = 2.0**-36
"""As a share of a quantiser's step: more than float64 loses while FINN moves scales and shifts into
a threshold, and less than the distance of two accumulators."""


@contextmanager
def float64_constants() -> Iterator[None]:
    """Allows float64 constants where ONNX' type inference expects float32.

    The inference is shown float32 in their place.
    """
    from qonnx.transformation import infer_shapes  # noqa: PLC0415

    before = infer_shapes.si

    def infer(model: ModelProto) -> ModelProto:
        exact = {x.name for x in model.graph.initializer if x.data_type == TensorProto.DOUBLE}
        _retype(model, exact, TensorProto.FLOAT)
        _note_as_float32(model.graph)
        found: ModelProto = before.infer_shapes(model)
        for changed in (model, found):
            _retype(changed, exact, TensorProto.DOUBLE)
        return found

    infer_shapes.si = SimpleNamespace(infer_shapes=infer)
    try:
        yield
    finally:
        infer_shapes.si = before


def _note_as_float32(graph: Any) -> None:
    """Sets the types that the graph notes for its tensors; qonnx notes those of constants, too."""
    for value in (*graph.value_info, *graph.input, *graph.output):
        if value.type.tensor_type.elem_type == TensorProto.DOUBLE:
            value.type.tensor_type.elem_type = TensorProto.FLOAT


def _retype(model: ModelProto, names: Collection[str], kind: int) -> None:
    for constant in model.graph.initializer:
        if constant.name in names:
            constant.data_type = kind


def in_float64(model: Any) -> None:
    """Gives exact values to float constants and to the thresholds that FINN made of quantisers.

    In float32, the scales and shifts that streamlining moves into a threshold change it by about
    1e-7 of its size. Sometimes that is the wrong side of an integer. Also, a quantiser rounds half
    to even: exactly between two levels it gives the even one. FINN rounds up there. So the
    thresholds of odd levels are put just above the middle, those of even levels just below.
    """
    from qonnx.custom_op.registry import getCustomOp  # noqa: PLC0415

    for constant in model.graph.initializer:
        if constant.data_type == TensorProto.FLOAT:
            exact = numpy_helper.to_array(constant).astype(np.float64)
            constant.CopyFrom(numpy_helper.from_array(exact, constant.name))
    for node in model.get_nodes_by_op_type("MultiThreshold"):
        if getCustomOp(node).get_nodeattr("out_dtype") == "BIPOLAR":
            continue
        # MultiThreshold, for signed ones Add of the least level, then Mul by the scale
        least, behind = 0.0, model.find_consumers(node.output[0])[0]
        if behind.op_type == "Add":
            least = model.get_initializer(behind.input[1]).item()
            behind = model.find_consumers(behind.output[0])[0]
        scale = model.get_initializer(behind.input[1]) if behind.op_type == "Mul" else None
        rough = model.get_initializer(node.input[1])
        levels = least + 1 + np.arange(rough.shape[1])
        odd_above = np.where(levels % 2 == 1, TIE, -TIE)
        step = np.ones(1) if scale is None else np.asarray(scale, np.float64)
        exact = step.reshape(-1, 1) * (levels - 0.5 + odd_above)
        if not np.allclose(exact, rough, rtol=1e-5, atol=1e-5 * np.abs(rough).max()):
            raise PipelineError(f"{node.output[0]}: its thresholds are not those of a quantiser")
        model.set_initializer(node.input[1], np.array(np.broadcast_to(exact, rough.shape)))


def in_float32(model: Any) -> None:
    """Rounds all constants to float32, and before that thresholds up to integers.

    For the integers that a threshold is compared with, x >= t is the same as x >= ceil(t). Only
    thresholds that FINN left to be compared with integers are rounded up.
    """
    for node in model.get_nodes_by_op_type("MultiThreshold"):
        dtype = model.get_tensor_datatype(node.input[0])
        if dtype.is_integer():
            thresholds = np.ceil(model.get_initializer(node.input[1]))
            # always and never: beyond the input's range FINN refuses a threshold later
            limited = np.clip(thresholds, dtype.min(), dtype.max() + 1)
            model.set_initializer(node.input[1], limited)
    for constant in model.graph.initializer:
        if constant.data_type == TensorProto.DOUBLE:
            rounded = numpy_helper.to_array(constant).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(rounded, constant.name))
    _note_as_float32(model.graph)
