"""QONNX files as other exporters write them: small networks of random weights."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CUSTOM = "qonnx.custom_op.general"


class Graph:
    """Operators one after the other; each method returns the name of what it makes."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def const(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def floats(self, *shape: int, spread: float = 1.0) -> str:
        return self.const(self.rng.normal(0, spread, shape).astype(np.float32))

    def op(
        self, kind: str, *inputs: str, domain: str = "", more_outputs: int = 0, **attributes: Any
    ) -> str:
        made = f"t{len(self.nodes)}"
        outputs = [made, *(f"{made}_{number}" for number in range(more_outputs))]
        self.nodes.append(
            helper.make_node(kind, list(inputs), outputs, kind + made, domain=domain, **attributes)
        )
        return made

    def quant(
        self,
        x: str,
        bits: int,
        scale: Any,
        *,
        signed: int = 1,
        narrow: int = 0,
        zero: float = 0,
        mode: str = "ROUND",
    ) -> str:
        numbers = [self.const(np.float32(value)) for value in (scale, zero, bits)]
        return self.op(
            "Quant", x, *numbers, domain=CUSTOM, signed=signed, narrow=narrow, rounding_mode=mode
        )

    def bipolar(self, x: str, scale: Any = 1.0) -> str:
        return self.op("BipolarQuant", x, self.const(np.float32(scale)), domain=CUSTOM)

    def weights(self, *shape: int, bits: int = 3, scale: Any = 0.25) -> str:
        if bits == 1:
            return self.bipolar(self.const(self.rng.choice([-1.0, 1.0], shape).astype(np.float32)))
        most = (1 << (bits - 1)) - 1
        values = self.rng.integers(-most, most + 1, shape) * scale
        return self.quant(self.const(values.astype(np.float32)), bits, scale, narrow=1)

    def model(
        self,
        source: tuple[str, list[int | str]],
        target: str,
        outputs: int,
        annotate: str | None = None,
        opset: int = 13,
    ) -> Any:
        """annotate: the datatype that the model says of its input."""
        ends = [(source[0], source[1]), (target, [source[1][0], outputs])]
        infos = [helper.make_tensor_value_info(x, TensorProto.FLOAT, dims) for x, dims in ends]
        graph = helper.make_graph(self.nodes, "net", infos[:1], infos[1:], self.constants)
        if annotate is not None:
            pair = onnx.StringStringEntryProto(key="finn_datatype", value=annotate)
            graph.quantization_annotation.append(
                onnx.TensorAnnotation(tensor_name=source[0], quant_parameter_tensor_names=[pair])
            )
        versions = [helper.make_opsetid("", opset), helper.make_opsetid(CUSTOM, 1)]
        model = helper.make_model(graph, opset_imports=versions)
        model.ir_version = 8
        return model

    def save(self, path: Path, *model: Any, **more: Any) -> Path:
        """Writes the model of the same arguments."""
        onnx.save(self.model(*model, **more), str(path))
        return path


def keras_network(path: Path) -> Path:
    """As QKeras networks are converted: channels last, biases, a ReLU and a softmax apart."""
    g = Graph()
    x = g.op("Transpose", g.quant("input", 8, 1 / 128), perm=[0, 3, 1, 2])
    x = g.op("Conv", x, g.weights(4, 3, 3, 3), kernel_shape=[3, 3], auto_pad="SAME_UPPER")
    x = g.op("Relu", g.op("Add", x, g.floats(1, 4, 1, 1)))
    x = g.op("MaxPool", g.quant(x, 4, 0.5, signed=0), kernel_shape=[2, 2], strides=[2, 2])
    x = g.op("Conv", x, g.weights(6, 4, 3, 3), g.floats(6), kernel_shape=[3, 3])
    x = g.quant(g.op("Relu", x), 4, 1.0)
    x = g.op("Transpose", x, perm=[0, 2, 3, 1])
    x = g.op("Reshape", x, g.const(np.array([-1, 24], np.int64)))
    x = g.op("Add", g.op("MatMul", x, g.weights(24, 10)), g.floats(10))
    x = g.quant(g.op("Relu", x), 4, 2.0, signed=0)
    x = g.op("Add", g.op("MatMul", x, g.weights(10, 5)), g.floats(5))
    return g.save(path, ("input", ["batch", 8, 8, 3]), g.op("Softmax", x, axis=-1), 5)


def mlp(path: Path, sizes: tuple[int, ...] = (13, 7, 11), outputs: int = 5) -> Path:
    """On signed features; odd widths, 3-bit weights."""
    g = Graph(1)
    x = g.quant("features", 8, 1.0)
    for before, after in pairwise(sizes):
        x = g.op("Gemm", x, g.weights(after, before), g.floats(after), transB=1)
        x = g.quant(g.op("Relu", x), 3, 4.0, signed=0)
    x = g.op("MatMul", x, g.weights(sizes[-1], outputs))
    return g.save(path, ("features", [1, sizes[0]]), x, outputs)
