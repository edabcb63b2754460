"""QONNX files as other exporters write them: small networks of random weights."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
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

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        made = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(inputs), [made], kind + made, domain=domain, **attributes)
        )
        return made

    def quant(self, x: str, bits: int, scale: Any, *, signed: int = 1, narrow: int = 0) -> str:
        numbers = [self.const(np.float32(value)) for value in (scale, 0, bits)]
        return self.op(
            "Quant", x, *numbers, domain=CUSTOM, signed=signed, narrow=narrow,
            rounding_mode="ROUND",
        )  # fmt: skip

    def bipolar(self, x: str) -> str:
        return self.op("BipolarQuant", x, self.const(np.float32(1)), domain=CUSTOM)

    def weights(self, *shape: int, bits: int = 3, scale: Any = 0.25) -> str:
        if bits == 1:
            return self.bipolar(self.const(self.rng.choice([-1.0, 1.0], shape).astype(np.float32)))
        most = (1 << (bits - 1)) - 1
        values = self.rng.integers(-most, most + 1, shape) * scale
        return self.quant(self.const(values.astype(np.float32)), bits, scale, narrow=1)

    def save(
        self,
        path: Path,
        source: tuple[str, list[int | str]],
        target: str,
        outputs: int,
        annotate: str | None = None,
    ) -> Path:
        """annotate: the datatype that the file says of its input."""
        ends = [(source[0], source[1]), (target, [source[1][0], outputs])]
        infos = [helper.make_tensor_value_info(x, TensorProto.FLOAT, dims) for x, dims in ends]
        graph = helper.make_graph(self.nodes, "net", infos[:1], infos[1:], self.constants)
        if annotate is not None:
            pair = onnx.StringStringEntryProto(key="finn_datatype", value=annotate)
            graph.quantization_annotation.append(
                onnx.TensorAnnotation(tensor_name=source[0], quant_parameter_tensor_names=[pair])
            )
        versions = [helper.make_opsetid("", 13), helper.make_opsetid(CUSTOM, 1)]
        model = helper.make_model(graph, opset_imports=versions)
        model.ir_version = 8
        onnx.save(model, str(path))
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


@dataclass
class Random:
    """A network of random structure. shape: (H, W, C) or (F,); told: what is in it."""

    seed: int
    path: Path
    told: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.graph = g = Graph(self.seed)
        draw = self.draw
        image = draw.random() < 0.5
        self.layout = "NHWC" if draw.random() < 0.5 else "NCHW"
        sides = (draw.randint(5, 8), draw.randint(5, 8), draw.choice([1, 2, 3]))
        self.shape: tuple[int, ...] = sides if image else (draw.choice([5, 13, 16, 31]),)
        x = self._input("input")
        if image:
            x, features = self._convolutions(x)
        else:
            features = self.shape[0]
        for _ in range(draw.randint(0, 2)):
            width = draw.choice([1, 3, 7, 8])
            x = self._dense(x, features, width)
            x, features = self._activation(x, (width,)), width
        self.outputs = draw.choice([1, 2, 5])
        x = g.op("MatMul", x, g.weights(features, self.outputs))
        x = self._tail(x)
        dims = list(self.shape)
        if image and self.layout == "NCHW":
            dims = [dims[2], *dims[:2]]
        g.save(self.path, ("input", [1, *dims]), x, self.outputs)

    def _pick(self, *choices: Any) -> Any:
        self.told.append(self.draw.choice(choices))
        return self.told[-1]

    def _input(self, x: str) -> str:
        g = self.graph
        kind = self._pick("raw", "quantised", "within one")
        if kind == "quantised":
            return g.quant(x, 8, 1.0, signed=0)
        if kind == "raw":
            return x
        x = g.op("Mul", x, g.const(np.float32(2 / 255)))
        x = g.op("Sub", x, g.const(np.float32(1)))
        bits = self._pick(1, 2, 4, 8)
        return g.bipolar(x) if bits == 1 else g.quant(x, bits, 2.0 ** (1 - bits))

    def _weights(self, shape: tuple[int, ...], axis: int) -> str:
        bits = self._pick(1, 2, 3, 4, 8)
        scale: Any = np.float32(0.25)
        if self._pick(False, False, True):  # a scale for each output
            sizes = [size if i == axis else 1 for i, size in enumerate(shape)]
            scale = (2.0 ** self.graph.rng.integers(-3, 1, sizes)).astype(np.float32)
        return self.graph.weights(*shape, bits=bits, scale=scale)

    def _dense(self, x: str, before: int, after: int) -> str:
        g = self.graph
        if self._pick("MatMul", "Gemm") == "MatMul":
            return g.op("MatMul", x, self._weights((before, after), 1))
        return g.op("Gemm", x, self._weights((after, before), 0), g.floats(after), transB=1)

    def _activation(self, x: str, shape: tuple[int, ...]) -> str:
        g, channels = self.graph, max(shape)
        norm = self._pick("batch norm", "bias", "none")
        if norm == "batch norm":
            parts = [(-1.5, 1.5), (-0.5, 0.5), (-3.0, 3.0), (1.0, 30.0)]
            values = [g.rng.uniform(*ends, channels).astype(np.float32) for ends in parts]
            x = g.op("BatchNormalization", x, *map(g.const, values))
        elif norm == "bias":
            x = g.op("Add", x, g.floats(*shape, spread=2))
        bits, scale, narrow = self._pick(1, 2, 3, 4), self._pick(0.5, 1, 2, 0.37), self._pick(0, 1)
        kind = self._pick("relu", "relu, signed", "unsigned", "signed", "bipolar")
        signed = int(kind in ("relu, signed", "signed"))
        if kind == "bipolar" or (bits == 1 and signed):
            return g.bipolar(x)
        if "relu" in kind:
            x = g.op("Relu", x)
        return g.quant(x, bits, scale, signed=signed, narrow=narrow if signed else 0)

    def _convolutions(self, x: str) -> tuple[str, int]:
        g = self.graph
        height, width, channels = self.shape
        if self.layout == "NHWC":
            x = g.op("Transpose", x, perm=[0, 3, 1, 2])
        for _ in range(self.draw.randint(1, 2)):
            count, kernel = self._pick(1, 3, 4), self._pick(1, 2, 3)
            if min(height, width) < kernel:
                break
            bias = [g.floats(count)] if self._pick(False, True) else []
            weights = self._weights((count, channels, kernel, kernel), 0)
            x = g.op("Conv", x, weights, *bias, kernel_shape=[kernel, kernel])
            x = self._activation(x, (1, count, 1, 1))
            height, width, channels = height - kernel + 1, width - kernel + 1, count
            if min(height, width) >= 2 and self._pick(False, True):
                x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
                height, width = height // 2, width // 2
        if self.layout == "NHWC":
            x = g.op("Transpose", x, perm=[0, 2, 3, 1])
        features = height * width * channels
        if self._pick("Flatten", "Reshape") == "Flatten":
            return g.op("Flatten", x), features
        return g.op("Reshape", x, g.const(np.array([-1, features], np.int64))), features

    def _tail(self, x: str) -> str:
        g = self.graph
        kind = self._pick("none", "bias", "scale", "softmax")
        if kind == "bias":
            return g.op("Add", x, g.floats(self.outputs))
        if kind == "scale":
            return g.op("Mul", x, g.const(np.float32(0.37)))
        return g.op("Softmax", x, axis=-1) if kind == "softmax" else x
