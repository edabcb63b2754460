"""Follows a QONNX graph from its input: what is each tensor of the integers computed so far?

Scales, shifts, batch norms and ReLUs are only noted (`Value.ops`). A quantiser turns those before
it into integer thresholds; a product takes one scale out of its input.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import Edge, Mvau
from pipeline.qonnx.constants import Constants
from pipeline.qonnx.edit import where
from pipeline.streamlining.levels import Levels
from pipeline.streamlining.raw import SOURCE, Raw
from pipeline.streamlining.values import Affine, Pool, Value
from specs.input import InputSpec


class Tracker:
    """The values of the network's tensors, by name, and the hardware graph as it grows.

    quantised: for each activation quantiser, its output tensor.
    """

    def __init__(self, model: Any, contract: InputSpec) -> None:
        self.model = model
        self.constants = Constants(model)
        self.raw = Raw(Edge(SOURCE, DataType(contract.dtype), contract.shape))
        self.values: dict[str, Value] = {}
        self.quantised: list[str] = []
        self._readers = Counter(name for node in model.graph.node for name in node.input)
        source = model.graph.input[0].name
        self.values[source] = _input(contract)

    def run(self, handlers: Handlers) -> Value:
        """Follows all nodes; returns the value of the network's output.

        handlers: by operator, a function that gives the value of a node's output.
        """
        for node in self.model.graph.node:
            if all(not name or name in self.constants for name in node.input):
                continue
            name = node.output[0]
            try:
                value = handlers[node.op_type](self, node)
                # pools that several read are computed once
                self.values[name] = self.computed(value) if self._readers[name] > 1 else value
            except PipelineError:
                raise
            except Exception as error:  # noqa: BLE001 - a strange file's node must be named
                traceback.print_exc()
                raise PipelineError(
                    f"{where(node)}: cannot be streamlined: {type(error).__name__}: {error}; "
                    "please report this with the file; the whole traceback is in the stage's log"
                ) from None
        return self.computed(self.values[self.model.graph.output[0].name])

    def streams(self, node: Any) -> list[str]:
        return [name for name in node.input if name and name not in self.constants]

    def value(self, name: str) -> Value:
        """The value of a tensor that a node reads."""
        found = self.values.get(name)
        if found is None:
            made = self.model.find_producer(name)
            raise PipelineError(
                f"{where(made)}: computes with quantised constants; let the quantiser (Quant, "
                "BipolarQuant) come last, behind what makes the constant"
            )
        return replace(found, sole=found.sole and self._readers[name] == 1)

    def only(self, node: Any) -> Value:
        """The node's first input, which is no constant."""
        return self.value(node.input[0])

    def constant(self, name: str, value: Value, node: Any) -> tuple[np.ndarray, Value]:
        """A constant that meets `value`, as one number or by channel: float64 [] or [C].

        Of a flattened map it may differ from element to element; then the value returned is a
        vector. PipelineError: it differs from pixel to pixel.
        """
        return self._met(self.constants.real(name), value, node)

    def by_channel(self, name: str, value: Value, node: Any) -> tuple[np.ndarray, Value]:
        """The same for a constant [C] along the tensor's axis 1, whatever its layout."""
        real = self.constants.real(name)
        wide = real.reshape(-1, 1, 1) if len(value.shape) == 3 and not value.flat else real
        return self._met(wide, value, node)

    def _met(self, real: np.ndarray, value: Value, node: Any) -> tuple[np.ndarray, Value]:
        if real.size == 1:
            return real.reshape(()), value
        shape = self.tensor_shape(value)
        try:
            full = np.broadcast_to(real, (1, *shape))[0]
        except ValueError:
            raise PipelineError(
                f"{where(node)}: its constant of {list(real.shape)} enlarges a tensor of "
                f"{[1, *shape]}"
            ) from None
        by_pixel = full.reshape(self._map_shape(value)) if value.flat else full
        if len(value.shape) == 3:
            by_pixel = by_pixel if value.channels_last else np.moveaxis(by_pixel, 0, -1)
            by_pixel = by_pixel.reshape(-1, value.channels)
            if np.all(by_pixel == by_pixel[0]):
                return by_pixel[0].copy(), value
            if not value.flat:
                raise PipelineError(
                    f"{where(node)}: its constant of {list(real.shape)} differs from pixel to "
                    "pixel; only constants by channel have a hardware layer"
                )
            if not value.sole:
                raise PipelineError(
                    f"{where(node)}: has a constant for each element of a flattened map that is "
                    "also read elsewhere; use constants by channel"
                )
            value = self.spread(value)
        return full.reshape(-1).copy(), value

    @staticmethod
    def _map_shape(value: Value) -> tuple[int, ...]:
        height, width, channels = value.shape
        return value.shape if value.channels_last else (channels, height, width)

    def tensor_shape(self, value: Value) -> tuple[int, ...]:
        """The shape of the network's own tensor, without its batch."""
        if value.flat:
            return (int(np.prod(value.shape)),)
        return self._map_shape(value) if len(value.shape) == 3 else value.shape

    def computed(self, value: Value) -> Value:
        """`value` with its max-pools computed. Negative factors before one go into the weights."""
        pools = [op for op in value.ops if isinstance(op, Pool)]
        if not pools:
            return value
        sign = np.ones(())
        for op in value.ops:
            if isinstance(op, Affine):
                sign = sign * np.where(op.factor < 0, -1.0, 1.0)
            if op is pools[0] and np.any(sign < 0):
                rows = np.broadcast_to(sign < 0, (value.channels,))
                return self.computed(self.raw.negated(value, rows))
            if isinstance(op, Pool) and np.any(sign < 0):
                raise PipelineError(
                    f"{op.node}: a max-pool between two others and negative factors; put a "
                    "quantiser in front of it"
                )
        edge = value.edge
        for pool in pools:
            edge = self.raw.max_pool(edge, pool)
        return replace(
            value, edge=edge, ops=tuple(op for op in value.ops if not isinstance(op, Pool))
        )

    def spread(self, value: Value, *, by_element: bool = True) -> Value:
        """A flattened map as a vector, whose operators have a number for each element.

        by_element: its reader works element by element. A product reads a map just as well.
        """
        value = self.computed(value)
        height, width, _ = value.shape
        pixels = height * width

        def repeated(by_channel: np.ndarray) -> np.ndarray:
            repeat = np.tile if value.channels_last else np.repeat
            return np.asarray(repeat(by_channel, pixels))

        ops = tuple(op.changed(repeated) if isinstance(op, Affine) else op for op in value.ops)
        maker = self.raw.layers.get(value.edge)
        if value.sole and (by_element or maker is None or isinstance(maker, Mvau)):
            self.raw.flatten(value.edge)
        return replace(
            value,
            shape=(int(np.prod(value.shape)),),
            ops=ops,
            order=value.stream_order(),
            flat=False,
        )

    def quantise(self, value: Value, levels: Levels, node: Any) -> Value:
        """The levels of a quantiser, as thresholds on the integers; pools follow where they can."""
        maker = self.raw.layers.get(value.edge)
        if value.flat and value.sole and not isinstance(maker, Mvau):
            value = self.spread(value)  # lanes of a vector are not limited to those of a pixel
        bounds = levels.bounds()
        after: list[Pool] = []
        for place in range(len(value.ops) - 1, -1, -1):
            op = value.ops[place]
            if not isinstance(op, Pool):
                bounds = bounds.before(op)
                continue
            if bounds.falls.any():  # the greatest input gives the least level
                front = self.computed(replace(value, ops=value.ops[: place + 1]))
                return self.quantise(front.then(*value.ops[place + 1 :]), levels, node)
            after.insert(0, op)
        edge = self.raw.edges[value.edge]
        thresholds, falling = bounds.thresholds(edge.dtype.min, edge.dtype.max)
        if value.order is not None and len(thresholds) > 1:
            thresholds, falling = thresholds[value.order], falling[value.order]
        name = self.raw.threshold(
            value.edge, levels.dtype, levels.offset, (thresholds, falling), where(node)
        )
        for pool in after:
            name = self.raw.max_pool(name, pool)
        self.quantised.append(node.output[0])
        return replace(value, edge=name, ops=levels.after, sole=True)


def _input(contract: InputSpec) -> Value:
    """The network's input: (integer * scale - mean) / std."""
    ops = []
    if contract.scale != 1:
        ops.append(Affine.of(np.float32(contract.scale)))
    mean, std = (np.asarray(x, np.float32) for x in (contract.mean, contract.std))
    if np.any(mean != 0):
        ops.append(Affine.of(shift=-mean))
    if np.any(std != 1):
        ops.append(Affine.of(1 / std.astype(np.float64)))
    return Value(SOURCE, contract.shape, tuple(ops))


Handlers = Mapping[str, Callable[[Tracker, Any], Value]]
