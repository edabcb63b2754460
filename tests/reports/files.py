"""Small QONNX files of each kind, written operator by operator as other exporters write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.export.qonnx_files import CUSTOM, Graph

Body = Callable[["Net"], tuple[str, int]]
"""Writes a network up to its last layer: the name of the features, and how many they are."""
GAMMAS = (1.0, -1.0, 0.5, -0.75)


class Net(Graph):
    """Operators that most networks here have. The input is called `input`."""

    def whole(self, *shape: int, bits: int, narrow: int = 0, scale: Any = 1.0, **more: Any) -> str:
        """Weights that hold each end of their range."""
        low, high = -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
        values = self.rng.integers(low, high + 1, shape)
        values.flat[:2] = low, high
        scaled = (values * scale).astype(np.float32)
        return self.quant(self.const(scaled), bits, scale, narrow=narrow, **more)

    def conv(self, x: str, weights: str, *bias: str, kernel: int = 3, **more: Any) -> str:
        return self.op("Conv", x, weights, *bias, kernel_shape=[kernel, kernel], **more)

    def norm(
        self,
        x: str,
        gammas: Any = GAMMAS,
        betas: Any = (0.3, 1.0, -1.0, 0.2),
        means: Any = (3.0, -3.0, 0.0, 1.0),
        variances: Any = (9.0, 4.0, 1.0, 1.0),
    ) -> str:
        values = [self.const(np.float32(numbers)) for numbers in (gammas, betas, means, variances)]
        return self.op("BatchNormalization", x, *values, epsilon=1e-5)

    def relu(self, x: str, bits: int, scale: float) -> str:
        return self.quant(self.op("Relu", x), bits, scale, signed=0)

    def pool(self, x: str, kernel: int = 2, **more: Any) -> str:
        sizes = [kernel, kernel]
        return self.op("MaxPool", x, kernel_shape=sizes, strides=sizes, **more)

    def average(self, x: str, kernel: int) -> str:
        sizes = [kernel, kernel]
        return self.op("AveragePool", x, kernel_shape=sizes, strides=sizes)

    def trunc(self, x: str, scale: float, bits: tuple[int, int], mode: str = "FLOOR") -> str:
        """As older versions of Brevitas write it: the input's scale, its bits and those to keep."""
        numbers = [self.const(np.float32(value)) for value in (scale, 0, *bits)]
        return self.op("Trunc", x, *numbers, domain=CUSTOM, rounding_mode=mode)


def written(
    body: Body, shape: tuple[int, ...] = (1, 1, 6, 6), classes: int = 4, **more: Any
) -> Callable[[Path], Path]:
    """A writer of the file: the body, flattened, and a last layer of 2-bit weights."""

    def write(path: Path) -> Path:
        g = Net(1)
        x, features = body(g)
        if len(shape) == 4:
            x = g.op("Flatten", x)
        x = g.op("MatMul", x, g.weights(features, classes, bits=2, scale=1.0))
        return g.save(path, ("input", list(shape)), x, classes, **more)

    return write


def dense(body: Callable[[Net], str], features: int = 4, **more: Any) -> Callable[[Path], Path]:
    """The same for 12 features."""
    return written(lambda g: (body(g), features), (1, 12), **more)


def first(g: Net, bits: int = 2, narrow: int = 0, **more: Any) -> str:
    """A convolution of 4 channels on the input: maps of 4x4."""
    return g.conv("input", g.whole(4, 1, 3, 3, bits=bits, narrow=narrow), **more)


# --- batch norms with negative factors


def negative_on_whole_range(bits: int) -> Callable[[Path], Path]:
    return written(lambda g: (g.relu(g.norm(first(g, bits)), 3, 1.0), 64))


def negative_dense(bits: int, act: Callable[[Net, str], str]) -> Callable[[Path], Path]:
    """By output, with weights of `bits` and any quantiser."""

    def body(g: Net) -> str:
        scale = np.array([[0.5, 1.0, 0.25, 2.0]], np.float32)
        x = g.op("MatMul", "input", g.whole(12, 4, bits=bits, scale=scale))
        return act(g, g.norm(x, variances=(900.0, 400.0, 100.0, 2500.0)))

    return dense(body)


def negative_behind_pool(act: Callable[[Net, str], str]) -> Callable[[Path], Path]:
    return written(lambda g: (act(g, g.norm(g.pool(first(g)))), 16))


def negative_behind_sum(act: Callable[[Net, str], str]) -> Callable[[Path], Path]:
    def body(g: Net) -> tuple[str, int]:
        x = g.relu(first(g), 3, 64.0)
        way = g.quant(g.conv(x, g.whole(4, 4, 3, 3, bits=2), pads=[1, 1, 1, 1]), 4, 64.0)
        total = g.op("Add", way, x)
        return act(g, g.norm(total, variances=(4e4, 1e4, 4e4, 4e4))), 64

    return written(body)


def negative_behind_quantiser(bits: int) -> Callable[[Path], Path]:
    def body(g: Net) -> tuple[str, int]:
        x = g.quant(first(g), bits, 32.0)
        return g.quant(g.norm(x, variances=(4e3, 1e3, 1e2, 4e3)), 3, 0.5), 64

    return written(body)


def negative_on_input(act: Callable[[Net, str], str]) -> Callable[[Path], Path]:
    def body(g: Net) -> tuple[str, int]:
        x = act(g, g.norm("input", (-1.5,), (0.3,), (0.2,), (900.0,)))
        return g.relu(first_of(g, x), 3, 2.0), 64

    return written(body)


def first_of(g: Net, x: str) -> str:
    return g.conv(x, g.whole(4, 1, 3, 3, bits=2))


def negative_behind_average() -> Callable[[Path], Path]:
    def body(g: Net) -> tuple[str, int]:
        x = g.op("Mul", g.average(g.relu(first(g), 4, 20.0), 4), g.const(np.float32(16)))
        return g.quant(g.norm(g.trunc(x, 20.0, (8, 4)), variances=(4e2, 9e2, 1e2, 4e2)), 3, 0.5), 4

    return written(body)


def negative_behind_windows() -> Callable[[Path], Path]:
    def body(g: Net) -> tuple[str, int]:
        x = g.op("Mul", g.average(g.relu(first(g), 4, 20.0), 2), g.const(np.float32(4)))
        x = g.norm(g.trunc(x, 20.0, (6, 5)), variances=(4e3, 9e3, 1e3, 4e3))
        return g.relu(x, 2, 0.5), 16

    return written(body)


# --- constants


def quantised_bias(bits: int, scale: Any, shape: tuple[int, ...] = (4,)) -> Callable[[Path], Path]:
    """A convolution whose bias goes through a quantiser."""

    def body(g: Net) -> tuple[str, int]:
        bias = g.quant(g.const(g.rng.normal(0, 20, shape).astype(np.float32)), bits, scale)
        return g.relu(first(g, 3, 1, bias=bias), 3, 40.0), 64

    def first(g: Net, bits: int, narrow: int, bias: str) -> str:
        weights = g.whole(4, 1, 3, 3, bits=bits, narrow=narrow)
        if shape == (4,):
            return g.conv("input", weights, bias)
        return g.op("Add", g.conv("input", weights), bias)

    return written(body)


def scale_outside(kind: str, scale: Any) -> Callable[[Path], Path]:
    """Weights that are multiplied or divided behind their quantiser."""

    def body(g: Net) -> str:
        weights = g.op(kind, g.whole(12, 4, bits=3), g.const(np.array(scale, np.float32)))
        return g.quant(g.op("MatMul", "input", weights), 3, 48.0)

    return dense(body)


def gemm(alpha: float, beta: float, **more: Any) -> Callable[[Path], Path]:
    def body(g: Net) -> str:
        bias = g.const(np.array([0, 30, -60, 9], np.float32))
        shape = (4, 12) if more.get("transB") else (12, 4)
        x = g.op("Gemm", "input", g.whole(*shape, bits=2), bias, alpha=alpha, beta=beta, **more)
        return g.quant(x, 3, 30.0)

    return dense(body)


def from_one() -> Callable[[Path], Path]:
    """1 - x, on the input and behind a quantiser."""

    def body(g: Net) -> str:
        x = g.op("Sub", g.const(np.float32(1)), "input")
        x = g.quant(g.op("MatMul", x, g.whole(12, 4, bits=3)), 4, 32.0)
        return g.quant(g.op("Sub", g.const(np.array([1, 16, 64, 0], np.float32)), x), 3, 48.0)

    return dense(body)


def divided() -> Callable[[Path], Path]:
    def body(g: Net) -> str:
        x = g.quant(g.op("MatMul", "input", g.whole(12, 4, bits=3)), 4, 32.0)
        return g.quant(g.op("Div", g.const(np.float32(1)), x), 3, 48.0)

    return dense(body)


# --- sums and averages


def residual(first_scale: float, other_scale: float, narrow: bool = False) -> Any:
    """Two ways that meet, each through a quantiser of its own."""

    def body(g: Net) -> tuple[str, int]:
        x = g.relu(first(g), 4, 20.0)
        way = g.conv(x, g.whole(4, 4, 3, 3, bits=2), pads=[1, 1, 1, 1])
        way, x = g.quant(way, 4, first_scale), g.quant(x, 4, other_scale)
        return g.relu(g.op("Add", way, x), 3, 30.0), 64

    return written(body)


def subtracted(factor: float) -> Callable[[Path], Path]:
    """One way less the other."""

    def body(g: Net) -> tuple[str, int]:
        x = g.relu(first(g), 4, 16.0)
        way = g.quant(g.conv(x, g.whole(4, 4, 1, 1, bits=2), kernel=1), 4, 16.0 * factor)
        return g.quant(g.op("Sub", way, x), 3, 32.0), 64

    return written(body)


def doubled(kind: str) -> Callable[[Path], Path]:
    """A stream that is added to itself, with a factor and a shift on one side."""

    def body(g: Net) -> tuple[str, int]:
        x = g.relu(first(g), 3, 32.0)
        other = g.op("Add", g.op("Mul", x, g.const(np.float32(0.3))), g.const(np.float32(9)))
        return g.quant(g.op(kind, g.op("Add", x, x), other), 3, 64.0), 64

    return written(body)


def unquantised_sum() -> Callable[[Path], Path]:
    """Two convolutions on the same input, added as they are; their scales are 1 and 1/4."""

    def body(g: Net) -> tuple[str, int]:
        one = g.conv("input", g.whole(4, 1, 3, 3, bits=2))
        other = g.conv("input", g.whole(4, 1, 3, 3, bits=3, scale=0.25))
        return g.relu(g.op("Add", one, other), 3, 64.0), 64

    return written(body)


def average_trunc(
    mode: str, kernel: int = 4, width: int = 6, whole: bool = False
) -> Callable[[Path], Path]:
    """AveragePool, Mul and Trunc of older versions of Brevitas. width: of the input."""

    def body(g: Net) -> tuple[str, int]:
        sizes = [kernel, min(kernel, width - 2)]
        x = g.relu(first(g), 4, 20.0)
        if whole:
            x = g.op("GlobalAveragePool", x)
        else:
            x = g.op("AveragePool", x, kernel_shape=sizes, strides=sizes)
        x = g.op("Mul", x, g.const(np.float32(math.prod(sizes))))
        bits = 4 + math.ceil(math.log2(math.prod(sizes)))
        return g.trunc(x, 20.0, (bits, 4), mode), 4 * 4 // sizes[0] * (width - 2) // sizes[1]

    return written(body, (1, 1, 6, width))


# --- operators in a state that no accelerator has


def training_norm() -> Callable[[Path], Path]:
    def body(g: Net) -> tuple[str, int]:
        x = first(g)
        values = [g.const(np.full(4, v, np.float32)) for v in (1, 0, 5, 100)]
        x = g.op("BatchNormalization", x, *values, training_mode=1, more_outputs=2)
        return g.relu(x, 2, 0.5), 64

    return written(body, opset=15)


def training_dropout(mode: bool) -> Callable[[Path], Path]:
    def body(g: Net) -> tuple[str, int]:
        x = g.relu(first(g), 2, 40.0)
        return g.op("Dropout", x, g.const(np.float32(0.5)), g.const(np.bool_(mode))), 64

    return written(body)


# --- quantisers


def rounding(mode: str) -> Callable[[Path], Path]:
    """On weights and on activations."""

    def body(g: Net) -> str:
        x = g.op("MatMul", "input", g.whole(12, 4, bits=3, mode=mode))
        return g.quant(x, 4, 8.0, mode=mode)

    return dense(body)


def one_bit(act: Callable[[Net, str], str], weights: bool = False) -> Callable[[Path], Path]:
    """The sign, as a quantiser of 1 bit: of an activation, or also of the weights."""

    def body(g: Net) -> tuple[str, int]:
        x = act(g, first(g))
        values = g.const(g.rng.choice([-1.0, 1.0], (3, 4, 3, 3)).astype(np.float32))
        x = g.conv(x, g.quant(values, 1, 1.0) if weights else g.whole(3, 4, 3, 3, bits=2))
        return g.quant(x, 3, 2.0), 12

    return written(body)


def bipolar_scales(act: float, weights: Any) -> Callable[[Path], Path]:
    """Signs times a factor: an activation's, and its weights'."""

    def body(g: Net) -> str:
        x = g.bipolar(g.op("MatMul", "input", g.whole(12, 8, bits=2)), act)
        values = g.const(g.rng.choice([-1.0, 1.0], (8, 4)).astype(np.float32))
        return g.quant(g.op("MatMul", x, g.bipolar(values, weights)), 3, 0.37)

    return dense(body)


def zero_gammas(act: Callable[[Net, str], str], pool: bool = False) -> Callable[[Path], Path]:
    """Channels that the batch norm makes constant: 0, positive and negative."""

    def body(g: Net) -> tuple[str, int]:
        x = g.pool(first(g)) if pool else first(g)
        x = g.norm(x, (0.0, 0.0, 0.7, 0.0), (0.0, 1.0, -1.0, -2.0), (0.0, 3.0, 1.0, 1.0))
        return act(g, x), 16 if pool else 64

    return written(body)


def zero_point(weights: float, act: float, signed: int = 0) -> Callable[[Path], Path]:
    """Quantisers whose zero is another integer."""

    def body(g: Net) -> str:
        low, high = (-8, 8) if signed else (0, 16)
        values = g.const((g.rng.integers(low, high, (12, 4)) - weights).astype(np.float32))
        x = g.op("MatMul", "input", g.quant(values, 4, 1.0, signed=signed, zero=weights))
        return g.quant(x, 4, 64.0, signed=0 if act else 1, zero=act)

    return dense(body)


# --- pads and pools


def pad_axes(pads: list[int], axes: list[int], opset: int = 18) -> Callable[[Path], Path]:
    """A Pad that names its axes; the maps that follow have the sizes that it makes."""

    def body(g: Net) -> tuple[str, int]:
        numbers = g.const(np.array(pads, np.int64)), "", g.const(np.array(axes, np.int64))
        x = g.conv(g.op("Pad", "input", *numbers), g.whole(4, 1, 3, 3, bits=2))
        sizes = {2: 6, 3: 6}
        for number, axis in enumerate(axes):
            sizes[axis % 4] += pads[number] + pads[number + len(axes)]
        return g.relu(x, 2, 40.0), 4 * (sizes[2] - 2) * (sizes[3] - 2)

    return written(body, opset=opset)


def pads(kernel: int, **padding: Any) -> Callable[[Path], Path]:
    """Two padded convolutions, on the input and behind a quantiser; each map stays 6x6."""

    def body(g: Net) -> tuple[str, int]:
        x = g.conv("input", g.whole(2, 1, kernel, kernel, bits=2), kernel=kernel, **padding)
        x = g.relu(x, 3, 40.0)
        x = g.conv(x, g.whole(2, 2, kernel, kernel, bits=2), kernel=kernel, **padding)
        return g.relu(x, 2, 40.0), 72

    return written(body)


def pool_with(**more: Any) -> Callable[[Path], Path]:
    """A max-pool of 4x4 maps with further attributes, then 3x3 or 2x2 maps."""

    def body(g: Net) -> tuple[str, int]:
        side = 1 if more.get("dilations", [1, 1])[0] == 2 else 2
        if more.get("dilations") == [2, 2]:
            side = (4 - 3) // 2 + 1
        return g.pool(g.relu(first(g), 2, 40.0), **more), 4 * side * side

    return written(body)


def ceiled(side: int) -> Callable[[Path], Path]:
    """A max-pool in ceil_mode: of 4x4 maps it drops nothing, of 5x5 maps it would pad."""

    def body(g: Net) -> tuple[str, int]:
        kernel = 7 - side
        x = g.relu(g.conv("input", g.whole(4, 1, kernel, kernel, bits=2), kernel=kernel), 2, 40.0)
        return g.pool(x, ceil_mode=1), 4 * math.ceil(side / 2) ** 2

    return written(body)


def padded_input() -> Callable[[Path], Path]:
    return written(lambda g: (g.relu(first(g, pads=[1, 1, 1, 1]), 3, 0.6), 144))


def statistics(act_scale: float) -> Callable[[Path], Path]:
    """Scales as statistics give them: sums fall exactly between two levels."""

    def body(g: Net) -> str:
        scale = np.float32(0.030871)
        x = g.quant("input", 8, np.float32(0.0078125))
        x = g.op("MatMul", x, g.whole(12, 8, bits=4, narrow=1, scale=scale))
        unit = np.float32(scale * np.float32(0.0078125))
        x = g.relu(x, 4, float(np.float32(unit * np.float32(act_scale))))
        x = g.op("MatMul", x, g.whole(8, 4, bits=4, narrow=1, scale=np.float32(0.057)))
        return g.quant(x, 4, 0.91 * act_scale * float(unit))

    return dense(body)
