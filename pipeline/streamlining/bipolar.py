"""One-bit activations before wider weights. FINN has no hardware layer for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation


class SpellBipolarAsTernary(Transformation):  # type: ignore[misc]
    """Turns a -1/+1 MultiThreshold that feeds wider weights into one over -1, 0, +1.

    FINN accepts a bipolar activation only if bipolar weights read it. With its threshold written
    twice, -1 + #{t <= x} gives the same -1 or +1 and never 0, and FINN has a layer for that. The
    extraction recognises the equal thresholds and makes them one bit again.
    """

    def apply(self, model: Any) -> tuple[Any, bool]:
        """Changes `model` in place; one pass is enough."""
        for node in model.get_nodes_by_op_type("MultiThreshold"):
            output = node.output[0]
            if model.get_tensor_datatype(output) != DataType["BIPOLAR"]:
                continue
            passed, products = _readers(model, output)
            weights = [model.get_tensor_datatype(product.input[1]) for product in products]
            if not weights or DataType["BIPOLAR"] in weights:
                continue
            thresholds = model.get_initializer(node.input[1])
            model.set_initializer(node.input[1], np.repeat(thresholds, 2, axis=1))
            operator = getCustomOp(node)
            operator.set_nodeattr("out_scale", 1.0)
            operator.set_nodeattr("out_bias", -1.0)
            operator.set_nodeattr("out_dtype", "INT2")
            for tensor in (output, *passed):
                model.set_tensor_datatype(tensor, DataType["INT2"])
        return model, False


_MOVES_ONLY = {"Flatten", "Im2Col", "MaxPoolNHWC", "Reshape", "Transpose"}
"""Operators that pass values on unchanged, between a threshold and the product that reads them."""


def _readers(model: Any, tensor: str) -> tuple[list[str], list[Any]]:
    """The tensors that pass on `tensor`'s values, and the matrix products that read them."""
    passed, products = [], []
    for reader in model.find_consumers(tensor) or []:
        if reader.op_type == "MatMul":
            products.append(reader)
        elif reader.op_type in _MOVES_ONLY:
            behind = _readers(model, reader.output[0])
            passed += [reader.output[0], *behind[0]]
            products += behind[1]
    return passed, products
