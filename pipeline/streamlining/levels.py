"""The levels of a quantiser: when each is reached, and what integers it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.layers import SumPool
from pipeline.qonnx.constants import Constants
from pipeline.qonnx.edit import attributes, where
from pipeline.streamlining.raw import Raw
from pipeline.streamlining.values import Affine, Bounds, Op, Pool, Relu, Value


@dataclass(frozen=True, eq=False)
class Levels:
    """Level offset + t + 1 is reached from `at[t]` on; where `open[t]`, above it. BIPOLAR: +1.

    dtype: of the integers. after: what the integers mean. before: for a Trunc, what is compared,
    by the integers of its input.
    """

    at: np.ndarray
    open: np.ndarray
    offset: int
    dtype: DataType
    after: tuple[Op, ...]
    before: tuple[Op, ...] = ()

    def bounds(self) -> Bounds:
        return Bounds.of(self.at, self.open)


def of_quantiser(constants: Constants, node: Any, value: Value) -> Levels:
    """The levels of a Quant or a BipolarQuant of the activations `value`."""
    scale = float(constants.real(node.input[1]).reshape(()))
    given = attributes(node)
    bits = 1
    if node.op_type != "BipolarQuant":
        bits = int(constants.real(node.input[3]).reshape(()))
    if bits == 1 and (node.op_type == "BipolarQuant" or given.get("signed", 1)):
        # QONNX executes a signed Quant of one bit as a BipolarQuant, too
        return Levels(np.zeros(1), np.zeros(1, bool), 0, BIPOLAR, _times(scale))
    low, high = _range(bits, bool(given.get("signed", 1)), bool(given.get("narrow", 0)))
    signed = low < 0
    ops = [op for op in value.ops if not isinstance(op, Pool)]
    if ops and isinstance(ops[-1], Relu) and signed and bits > 1:
        low, signed, bits = 0, False, bits - 1  # negative levels are never needed
    if low == high:
        raise PipelineError(f"{where(node)}: its only level is {low}; give it more bits")
    at, opened = _half_even(np.arange(low + 1, high + 1))
    dtype = DataType(f"{'' if signed else 'U'}INT{bits}")
    return Levels(scale * at, opened, low, dtype, _times(scale))


def _range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """QONNX' min_int and max_int."""
    if signed:
        return -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1 - narrow


def _half_even(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From where on a number rounds to each level or above; exactly in the middle, to the even."""
    return levels - 0.5, levels % 2 != 0


def _times(scale: float) -> tuple[Op, ...]:
    return () if scale == 1 else (Affine.of(scale),)


def of_trunc(constants: Constants, raw: Raw, node: Any, value: Value) -> tuple[Levels, int | None]:
    """The levels of a Trunc; and the shift, if it does no more than shift a sum pool's sums.

    Trunc drops bits of an integer: q = x / scale becomes q / 2**bits, rounded. Opset 1 has the
    inputs scale, zero point, bits before and after; opset 2 the scale after and the bits after.
    """
    numbers = [float(constants.real(name).reshape(())) for name in node.input[1:]]
    given = attributes(node)
    mode = given.get("rounding_mode", b"FLOOR").decode().upper()
    scale, source = numbers[0], raw.edges[value.edge].dtype
    if len(numbers) == 5:
        after, bits = numbers[3], int(numbers[4])
        drop = int(np.rint(np.log2(after / scale)))
        low, high = _range(bits, bool(given.get("signed", 1)), bool(given.get("narrow", 0)))
    else:
        after, bits = scale, int(numbers[3])
        drop = int(numbers[2] - numbers[3])
        low, high = source.min, source.max  # opset 1 does not limit what it makes
    factor, shift = value.affine()
    ratio = factor / scale
    whole = float(np.rint(ratio.reshape(-1)[0]))
    most = max(-source.min, source.max)
    if np.any(shift) or whole < 1 or np.any(np.abs(ratio - whole) * most >= 0.25):
        raise PipelineError(
            f"{where(node)}: its scale {scale:.6g} does not divide that of its input "
            f"({np.asarray(factor).reshape(-1)[0]:.6g}); set it to that of one step of the sum"
        )
    if drop < 0:
        raise PipelineError(f"{where(node)}: its output has more bits than its input")
    step = 2.0**drop
    ends = sorted(int(np.floor(whole * end / step)) for end in (source.min, source.max))
    pool = raw.layers.get(value.edge)
    narrow = ends[0] >= low and ends[1] <= high
    if mode == "FLOOR" and whole == 1 and narrow and isinstance(pool, SumPool) and value.sole:
        return Levels(np.zeros(1), np.zeros(1, bool), 0, source, _times(after)), drop
    low, high = max(low, ends[0]), min(high, ends[1] + (mode != "FLOOR"))
    if high - low not in range(1, 256):
        raise PipelineError(
            f"{where(node)}: gives {low} to {high}; 1 to 255 levels above the least are supported"
        )
    levels = np.arange(low + 1, high + 1)
    at, opened = (
        _half_even(levels) if mode != "FLOOR" else (levels * 1.0, np.zeros(len(levels), bool))
    )
    dtype = DataType.smallest(low, high)
    return Levels(step * at, opened, low, dtype, _times(after), _times(whole)), None
