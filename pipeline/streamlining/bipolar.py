"""One-bit activations in front of wider weights, which FINN has no hardware layer for."""

from __future__ import annotations

from typing import Any

import numpy as np
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation


class SpellBipolarAsTernary(Transformation):  # type: ignore[misc]
    """Turns a -1/+1 MultiThreshold that feeds wider weights into one over -1, 0, +1.

    FINN takes a bipolar activation only where bipolar weights read it. With its threshold written
    twice, -1 + #{t <= x} gives the same -1 or +1 and never 0, which FINN has a layer for. The
    extraction sees the equal thresholds and makes one bit of it again.
    """

    def apply(self, model: Any) -> tuple[Any, bool]:
        """Changes `model` in place; one pass is enough."""
        for node in model.get_nodes_by_op_type("MultiThreshold"):
            output = node.output[0]
            if model.get_tensor_datatype(output) != DataType["BIPOLAR"]:
                continue
            readers = model.find_consumers(output) or []
            weights = [model.get_tensor_datatype(reader.input[1]) for reader in readers
                       if reader.op_type == "MatMul"]  # fmt: skip
            if not weights or DataType["BIPOLAR"] in weights:
                continue
            thresholds = model.get_initializer(node.input[1])
            model.set_initializer(node.input[1], np.repeat(thresholds, 2, axis=1))
            operator = getCustomOp(node)
            operator.set_nodeattr("out_scale", 1.0)
            operator.set_nodeattr("out_bias", -1.0)
            operator.set_nodeattr("out_dtype", "INT2")
            model.set_tensor_datatype(output, DataType["INT2"])
        return model, False
