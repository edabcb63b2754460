"""Makes FINN's transformations faster without changing their result.

Their work would grow with the number of weights. Two places are replaced inside `whole_arrays()`
(finn-plus 1.6.1, qonnx 1.0.0):

- Absorb1BitMulIntoMatMul, when a batch norm has a negative factor, asks the datatype about
  every single weight (np.vectorize), though datatypes answer for whole arrays.
- InferShapes, which runs after nearly every transformation, sends all weights through ONNX's
  shape inference and back, though no shape depends on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto

SHAPE_ELEMENTS = 1024
"""Constants with up to so many elements keep their values: one may be the target of a Reshape."""


@contextmanager
def whole_arrays() -> Iterator[None]:
    """Applies both changes to FINN and qonnx in this process. Call `finn.bootstrap` first."""
    from finn.transformation.streamline import absorb  # noqa: PLC0415
    from qonnx.transformation import infer_shapes  # noqa: PLC0415

    # numpy as that module sees it: a function of one element is handed the array
    numpy = SimpleNamespace(**{**vars(np), "vectorize": lambda function: function})
    onnx = SimpleNamespace(infer_shapes=without_weights(infer_shapes.si.infer_shapes))
    with _replaced(absorb, "np", numpy), _replaced(infer_shapes, "si", onnx):
        yield


def without_weights(infer: Callable[[ModelProto], ModelProto]) -> Callable[[Any], ModelProto]:
    """ONNX shape inference in place, where `infer` gets the model without its large constants."""

    def in_place(model: ModelProto) -> ModelProto:
        light = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
        light.functions.extend(model.functions)
        light.graph.name = model.graph.name
        light.graph.node.extend(model.graph.node)
        light.graph.input.extend(model.graph.input)
        light.graph.output.extend(model.graph.output)
        light.graph.value_info.extend(model.graph.value_info)
        for tensor in model.graph.initializer:
            if prod(tensor.dims) > SHAPE_ELEMENTS:
                bare = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
                light.graph.initializer.append(bare)
            else:
                light.graph.initializer.append(tensor)
        inferred = infer(light)
        for field in ("value_info", "output"):
            del getattr(model.graph, field)[:]
            getattr(model.graph, field).extend(getattr(inferred.graph, field))
        return model

    return in_place


@contextmanager
def _replaced(module: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
