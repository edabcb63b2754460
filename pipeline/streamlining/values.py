"""What a tensor of the network is: an integer stream, and the operators that were not yet computed.

An activation's quantiser turns these operators into thresholds: `Bounds` follows the border of each
level back through them, to the integers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.errors import PipelineError

_EPS = 2.0**-50
"""Relative error of a step in float64, with room to spare. Borders that are closer than their error
to an integer are that integer: a tie, which the rounding mode decides."""


@dataclass(frozen=True, eq=False)
class Affine:
    """v -> factor * v + shift; each is one number, float64 [], or one by channel, float64 [C]."""

    factor: np.ndarray
    shift: np.ndarray

    @staticmethod
    def of(factor: Any = 1.0, shift: Any = 0.0) -> Affine:
        return Affine(np.asarray(factor, np.float64), np.asarray(shift, np.float64))

    def changed(self, change: Any) -> Affine:
        """The same with `change` applied to arrays by channel."""
        return Affine(*(change(x) if x.ndim else x for x in (self.factor, self.shift)))


@dataclass(frozen=True)
class Relu:
    """v -> max(v, 0). node: where it stands, for messages."""

    node: str


@dataclass(frozen=True)
class Pool:
    """A max-pool whose windows do not overlap. node: where it stands, for messages."""

    kernel: tuple[int, int]
    node: str


Op = Affine | Relu | Pool


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor: `ops` of the integers on `edge`.

    shape: of one image without its batch, channels innermost: (H, W, C) or (F,). If `flat`, the
    tensor is a map of this shape flattened. channels_last: the order of the tensor's own axes (if
    `flat`, of the map before it was flattened). order: int64 [F], the tensor's index at each
    position of the stream; None: the same order. sole: nothing else reads the integers.
    """

    edge: str
    shape: tuple[int, ...]
    ops: tuple[Op, ...] = ()
    channels_last: bool = False
    flat: bool = False
    order: np.ndarray | None = None
    sole: bool = True

    @property
    def channels(self) -> int:
        return self.shape[-1]

    def then(self, *ops: Op) -> Value:
        return replace(self, ops=(*self.ops, *ops))

    def on(self, edge: str) -> Value:
        return replace(self, edge=edge)

    def layout(self) -> tuple[Any, ...]:
        """What two tensors must have in common to be added element by element."""
        order = None if self.order is None else self.order.tolist()
        return self.shape, self.flat, self.channels_last, order

    def stream_order(self) -> np.ndarray | None:
        """The tensor's index at each position of the stream; None: the same order."""
        if not self.flat or self.channels_last:
            return self.order
        height, width, channels = self.shape
        if height * width == 1 or channels == 1:
            return None
        index = np.arange(height * width * channels).reshape(channels, height, width)
        return index.transpose(1, 2, 0).reshape(-1)

    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """Factor and shift of all operators together. PipelineError: a ReLU is among them."""
        factor, shift = np.ones(()), np.zeros(())
        for op in self.ops:
            if isinstance(op, Relu):
                raise PipelineError(
                    f"{op.node}: no quantiser behind it: an integer datapath needs one (e.g. a "
                    "quantised ReLU)"
                )
            assert isinstance(op, Affine), "pools were computed before"
            factor, shift = factor * op.factor, shift * op.factor + op.shift
        return factor, shift


@dataclass(frozen=True, eq=False)
class Bounds:
    """When each level of a quantiser is reached, by its input v: [C, T], or [1, T] for all.

    Level t is reached if v >= at[c, t]; where `falls[c]`, if v <= at[c, t]. With `open`, v must not
    be equal. error: how far `at` may be off.
    """

    at: np.ndarray
    open: np.ndarray
    falls: np.ndarray
    error: np.ndarray

    @staticmethod
    def of(at: np.ndarray, opened: np.ndarray) -> Bounds:
        """at, opened: [T], rising levels."""
        row = np.asarray(at, np.float64)[None]
        return Bounds(row, opened[None], np.zeros((1, 1), bool), _EPS * np.abs(row))

    def before(self, op: Affine | Relu) -> Bounds:
        """The bounds of the operator's input, given those of its output."""
        return self._before_relu() if isinstance(op, Relu) else self._before_affine(op)

    def _before_relu(self) -> Bounds:
        # max(v, 0) is never below 0: such a level is always reached if it rises, never if it falls
        close = np.abs(self.at) <= self.error
        below = (self.at < -self.error) | (close & (self.open == self.falls))
        return replace(self, at=np.where(below, -np.inf, self.at))

    def _before_affine(self, op: Affine) -> Bounds:
        factor = op.factor.reshape(-1, 1)
        shift = op.shift.reshape(-1, 1)
        whole = np.broadcast_shapes(self.at.shape, factor.shape, shift.shape)
        falls = np.broadcast_to(self.falls, (whole[0], 1))
        opened = np.broadcast_to(self.open, whole)
        some = np.where(factor == 0, 1.0, factor)
        finite = np.isfinite(self.at)
        size = np.where(finite, np.abs(self.at), 0.0)
        error = np.where(finite, self.error, 0.0) + _EPS * (size + np.abs(shift))
        at = (self.at - shift) / some
        # of a factor 0 only the shift is left, for every input
        distance = np.where(falls, self.at - shift, shift - self.at)
        reached = np.where(np.abs(distance) <= error, ~opened, distance > 0)
        at = np.where(factor == 0, np.where(reached, -np.inf, np.inf), at)
        return Bounds(
            at,
            opened,
            np.where(factor == 0, False, falls ^ (factor < 0)),
            np.broadcast_to(error / np.abs(some) + _EPS * np.abs(np.where(np.isfinite(at), at, 0)),
                            whole),
        )  # fmt: skip

    def thresholds(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Thresholds [C, T] for integers in [low, high], and the mask [C] of falling channels.

        A level is reached if x >= t; in a falling channel, if not x >= t. low and high + 1 mean
        always and never. Each row ascends.
        """
        nearest = np.where(np.isfinite(self.at), np.rint(self.at), 0)
        tie = np.isfinite(self.at) & (np.abs(self.at - nearest) <= self.error)
        # the least x with x >= at (rising), or the least with x > at (falling)
        beyond = self.open ^ self.falls
        found = np.where(
            tie, nearest + beyond, np.where(self.at == np.inf, np.inf, np.ceil(self.at))
        )
        limited = np.clip(found, low, high + 1).astype(np.int64)
        return np.sort(limited, axis=1), self.falls[:, 0].copy()
