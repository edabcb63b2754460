"""QONNX files of random structure, with scales and batch norms from what runs through them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.inputs import draw, planes
from specs.input import InputSpec
from tests.export import independent
from tests.export.qonnx_files import CUSTOM, Graph

SAMPLES = 16
"""Inputs that are run through a network while it is written."""


@dataclass
class Random:
    """A network of random structure. told: what is in it."""

    seed: int
    path: Path
    told: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.graph = g = Graph(self.seed)
        self.units: dict[str, float] = {}  # of tensors whose values are all multiples of one
        self.zeros: set[str] = set()  # tensors that may be padded with zeros
        image = self._pick(True, False)
        self.layout = self._pick("NHWC", "NCHW") if image else "NCHW"
        sides = (self.draw.randint(5, 8), self.draw.randint(5, 8), self.draw.choice([1, 2, 3]))
        shape = sides if image else (self.draw.choice([5, 13, 16, 31]),)
        signed = self._pick(True, False)
        self.contract = InputSpec(
            shape=shape, scale=self._pick(1.0, 1 / 255, 0.03), dtype="INT8" if signed else "UINT8"
        )
        x = "input"
        if image and self.layout == "NHWC":
            x = g.op("Transpose", x, perm=[0, 3, 1, 2])
        self.units[x] = float(np.float32(self.contract.scale))
        self.zeros.add(x)
        x = self._input(x, shape[-1])
        x, features = self._convolutions(x, sides) if image else (x, shape[0])
        for _ in range(self.draw.randint(0, 2)):
            width = self.draw.choice([5, 8, 11])
            x = self._act(self._norm(self._dense(x, features, width), width), width)
            features = width
        self.outputs = self.draw.choice([1, 2, 5])
        x = self._tail(self._dense(x, features, self.outputs, last=True))
        dims: list[int | str] = [1, *self._dims()]
        g.save(self.path, ("input", dims), x, self.outputs)

    def _dims(self) -> list[int]:
        *size, channels = self.contract.shape
        return [*size, channels] if self.layout == "NHWC" else [channels, *size]

    def first(self, inputs: np.ndarray) -> np.ndarray:
        """The first of the integers [N, *shape] as the file takes it."""
        values: np.ndarray = planes(inputs[:1], self.contract)[0]
        return values.transpose(1, 2, 0) if self.layout == "NHWC" else values

    def _pick(self, *choices: Any) -> Any:
        self.told.append(self.draw.choice(choices))
        return self.told[-1]

    def _seen(self, name: str) -> np.ndarray:
        """The values of a tensor for random inputs."""
        inputs = planes(draw(self.contract, SAMPLES), self.contract).astype(np.float64)
        if self.layout == "NHWC":
            inputs = inputs.transpose(0, 2, 3, 1)
        model = self.graph.model(("input", [SAMPLES, *self._dims()]), name, 1)
        (found,) = independent.evaluator(model, name).run([name], {"input": inputs})
        return np.asarray(found)

    def _by_channel(self, x: str, values: Any, channels: int) -> str:
        """A constant for each channel of a map or of features."""
        shape = (1, channels, 1, 1) if self._rank(x) == 4 else (1, channels)
        return self.graph.const(np.asarray(values, np.float32).reshape(shape))

    def _rank(self, x: str) -> int:
        return self._seen(x).ndim

    # --- quantisers

    def _scale(self, x: str, levels: int) -> float:
        """Of the greatest value, a power of two, or a multiple of a sum's unit (many ties)."""
        top = float(np.abs(self._seen(x)).max()) / levels
        kind = self._pick("statistics", "statistics", "power of two", "ties")
        unit = self.units.get(x, 0.0)
        if top == 0:
            return 1.0
        top *= self.draw.choice([1, 0.5, 0.3])
        if kind == "ties" and unit > 0:
            return float(np.float32(np.float32(unit) * np.float32(max(1, round(top / unit)))))
        if kind == "power of two":
            return float(2.0 ** np.round(np.log2(top)))
        return float(np.float32(top))

    def _quant(self, x: str, bits: int, signed: int, scale: float | None = None) -> str:
        levels = (1 << (bits - signed)) - 1
        if scale is None:
            scale = self._scale(x, max(levels, 1))
        narrow = self._pick(0, 1) if signed and bits > 1 else 0
        mode = self._pick("ROUND", "HALF_EVEN", "round")
        made = self.graph.quant(x, bits, scale, signed=signed, narrow=narrow, mode=mode)
        self.units[made] = scale
        if bits > signed:
            self.zeros.add(made)
        return made

    def _act(self, x: str, channels: int, bipolar: bool = True) -> str:
        """A quantiser, perhaps with a ReLU, perhaps with a batch norm and a second one behind."""
        bits = self._pick(1, 2, 3, 4) if bipolar else self._pick(2, 3, 4)
        kinds = ["relu", "relu", "relu, signed", "unsigned", "signed", *["bipolar"] * bipolar]
        kind, made, before = self._pick(*kinds), x, len(self.graph.nodes)
        if "relu" in kind:
            made = self.graph.op("Relu", x)
            self.units[made] = self.units.get(x, 0.0)
        if kind == "bipolar":
            made = self._bipolar(x)
        else:
            made = self._quant(made, bits, int(kind in ("relu, signed", "signed")))
        if not np.ptp(self._seen(made), axis=0).any():  # the network would end here
            for node in self.graph.nodes[before:]:  # whose names come again
                self.units.pop(node.output[0], None)
                self.zeros.discard(node.output[0])
            del self.graph.nodes[before:]
            made = self._quant(self._norm(x, channels, "batch norm"), 3, 1)
        if self._pick(*[False] * 5, True):
            made = self._act(self._norm(made, channels, "batch norm"), channels, bipolar)
        return made

    def _bipolar(self, x: str) -> str:
        scale = self._pick(1.0, 1.0, 0.3)
        made = self.graph.bipolar(x, scale)
        self.units[made] = scale
        return made

    def _input(self, x: str, channels: int) -> str:
        kind = self._pick("raw", "quantised", "within one", "batch norm", "batch norm, sign")
        if kind == "raw":
            return x
        if kind.startswith("batch norm"):
            x = self._norm(x, channels, "batch norm")
        if kind == "within one":
            x = self.graph.op("Sub", x, self.graph.const(np.float32(0.5)))
        return (
            self._bipolar(x) if kind == "batch norm, sign" else self._quant(x, self._pick(4, 8), 1)
        )

    # --- layers

    def _weights(
        self, shape: tuple[int, ...], axis: int, one_scale: bool = False
    ) -> tuple[str, float]:
        """Floats and their quantiser, and its scale; 0: one for each output."""
        g, bits = self.graph, self._pick(1, 2, 3, 4, 8)
        values = g.rng.normal(0, 1, shape).astype(np.float32)
        if bits == 1:
            scale = self._pick(1.0, 0.3)
            signs = g.const(np.where(values < 0, -1, 1).astype(np.float32) * np.float32(scale))
            if self._pick(True, False):
                return g.bipolar(signs, scale), scale
            return g.quant(signs, 1, scale), scale
        alone = one_scale or self._pick(True, True, False)
        axes = None if alone else tuple(i for i in range(len(shape)) if i != axis)
        levels = (1 << (bits - 1)) - 1
        scale = np.asarray(np.abs(values).max(axes, keepdims=not alone) / levels, np.float32)
        narrow = self._pick(0, 1)
        if not narrow:  # one weight is the least of its bits
            values.flat[0] = -(levels + 1) * scale.flat[0]
        made = g.quant(g.const(values), bits, scale, narrow=narrow)
        return made, float(scale) if alone else 0.0

    def _bias(self, count: int, spread: float) -> str | None:
        """None, floats, or floats and their quantiser."""
        kind = self._pick("none", "float", "quantised", "quantised by channel")
        values = self.graph.rng.normal(0, spread, count).astype(np.float32)
        if kind == "none":
            return None
        if kind == "float":
            return self.graph.const(values)
        scale: Any = np.float32(spread / 20)
        if kind == "quantised by channel":
            scale = (spread / 10 * self.graph.rng.uniform(0.1, 1, count)).astype(np.float32)
        return self.graph.quant(self.graph.const(values), self._pick(8, 16), scale)

    def _spread(self, x: str) -> float:
        return max(float(self._seen(x).std()), 1e-3)

    def _dense(self, x: str, before: int, after: int, last: bool = False) -> str:
        g = self.graph
        if self._pick("MatMul", "Gemm") == "MatMul":
            weights, scale = self._weights((before, after), 1, last)
            made = g.op("MatMul", x, weights)
            bias = self._bias(after, self._spread(made))
            made = made if bias is None else g.op("Add", made, bias)
        else:
            weights, scale = self._weights((after, before), 0, last)
            bias = self._bias(after, self._spread(x))
            more = {"alpha": self._pick(1.0, 0.5), "beta": self._pick(1.0, 2.0)}
            made = g.op("Gemm", x, weights, *filter(None, [bias]), transB=1, **more)
            scale *= more["alpha"]
        if bias is None:
            self.units[made] = scale * self.units.get(x, 0.0)
        return made

    def _conv(self, x: str, before: int, after: int, kernel: int, **more: Any) -> str:
        weights, scale = self._weights((after, before, kernel, kernel), 0)
        bias = self._bias(after, self._spread(x))
        inputs = [x, weights, *filter(None, [bias])]
        made = self.graph.op("Conv", *inputs, kernel_shape=[kernel, kernel], **more)
        if bias is None:
            self.units[made] = scale * self.units.get(x, 0.0)
        return made

    def _norm(self, x: str, channels: int, kind: str = "") -> str:
        """A batch norm with the statistics of what it sees, and factors of both signs and zero."""
        g = self.graph
        kind = kind or self._pick("batch norm", "batch norm", "bias", "factor", "none")
        if kind == "none":
            return x
        factors = g.rng.uniform(-1.5, 1.5, channels)
        factors[1:][g.rng.random(channels - 1) < 0.2] = 0
        if kind == "bias":
            return g.op("Add", x, self._by_channel(x, self._spread(x) * factors, channels))
        if kind == "factor":
            factors[factors == 0] = -0.5
            return g.op("Mul", x, self._by_channel(x, factors, channels))
        seen = self._seen(x)
        axes = tuple(axis for axis in range(seen.ndim) if axis != 1)
        shifts = g.rng.uniform(-0.5, 0.5, channels)
        shifts[g.rng.random(channels) < 0.15] = 0
        values = [factors, shifts, seen.mean(axes), seen.var(axes) + 1e-3]
        constants = [g.const(value.astype(np.float32)) for value in values]
        return g.op("BatchNormalization", x, *constants)

    def _pool(self, x: str, sides: tuple[int, int]) -> tuple[str, tuple[int, int]]:
        if min(sides) < 2 or not self._pick(True, False):
            return x, sides
        made = self.graph.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        self.units[made] = self.units.get(x, 0.0)
        self.zeros |= {made} if x in self.zeros else set()
        return made, (sides[0] // 2, sides[1] // 2)

    def _convolutions(self, x: str, shape: tuple[int, int, int]) -> tuple[str, int]:
        g, sides, channels = self.graph, shape[:2], shape[2]
        for _ in range(self.draw.randint(1, 2)):
            count, kernel = self._pick(1, 3, 4, 5), self._pick(1, 2, 3)
            if min(sides) < kernel:
                break
            pad, stride = self._pick(0, 1) if x in self.zeros else 0, self._pick(1, 1, 2)
            more = {"pads": [pad] * 4, "strides": [stride] * 2}
            x = self._conv(x, channels, count, kernel, **more)
            high, wide = ((side + 2 * pad - kernel) // stride + 1 for side in sides)
            sides, channels = (high, wide), count
            order = self._pick("norm, act, pool", "pool, norm, act", "norm, pool, act")
            ends = self._pick("", "", "sum", "average")
            for step in order.split(", "):
                if step == "pool":
                    x, sides = self._pool(x, sides)
                elif step == "norm":
                    x = self._norm(x, channels)
                else:
                    x = self._act(x, channels, bipolar=not ends)
            if ends == "sum":
                x = self._sum(x, channels)
            if ends == "average":
                x, sides = self._average(x, sides, channels)
        if self.layout == "NHWC":
            x = g.op("Transpose", x, perm=[0, 2, 3, 1])
        features = sides[0] * sides[1] * channels
        if self._pick("Flatten", "Reshape") == "Flatten":
            made = g.op("Flatten", x)
        else:
            made = g.op("Reshape", x, g.const(np.array([-1, features], np.int64)))
        self.units[made] = self.units.get(x, 0.0)
        return made, features

    def _sum(self, x: str, channels: int) -> str:
        """Two ways, the second through a convolution, with scales whose ratio is whole."""
        g, kernel = self.graph, self._pick(1, 3)
        around = {"pads": [1, 1, 1, 1]} if kernel == 3 else {}
        way = self._norm(self._conv(x, channels, channels, kernel, **around), channels)
        ratio = self._pick(1, 1, 2, 3)
        way = self._quant(way, self._pick(2, 4), 1, self.units[x] * ratio)
        made = g.op(self._pick("Add", "Add", "Sub"), way, x)
        return self._act(self._norm(made, channels), channels)

    def _average(
        self, x: str, sides: tuple[int, int], channels: int
    ) -> tuple[str, tuple[int, int]]:
        """Sums without their last bits, as older versions of Brevitas write it.

        They are of windows, or of the whole map.
        """
        window = (min(2, sides[0]), min(2, sides[1])) if self._pick(True, False) else sides
        g, count = self.graph, window[0] * window[1]
        made = g.op("AveragePool", x, kernel_shape=list(window), strides=list(window))
        made = g.op("Mul", made, g.const(np.float32(count)))
        wide = 4 + int(np.ceil(np.log2(count)))
        kept = min(8, wide - self._pick(0, 1, 2))
        numbers = [g.const(np.float32(value)) for value in (self.units[x], 0, wide, kept)]
        made = g.op("Trunc", made, *numbers, domain=CUSTOM, rounding_mode="FLOOR")
        x = self._act(self._norm(made, channels), channels)
        return x, (sides[0] // window[0], sides[1] // window[1])

    def _tail(self, x: str) -> str:
        kind = self._pick("none", "scale", "softmax")
        if kind == "scale":
            return self.graph.op("Mul", x, self.graph.const(np.float32(0.37)))
        return self.graph.op("Softmax", x, axis=-1) if kind == "softmax" else x
