"""Follows a QONNX graph from its input: what is each tensor of the integers computed so far?

Scales, shifts, batch norms and ReLUs are only noted (`Value.ops`). A quantiser turns those before
it into integer thresholds; a product takes one scale out of its input.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import Edge, Mvau
from pipeline.qonnx.constants import Constants
from pipeline.qonnx.edit import attributes, where
from pipeline.streamlining.levels import Levels, of_quantiser, of_trunc
from pipeline.streamlining.raw import SOURCE, Raw
from pipeline.streamlining.values import Affine, Pool, Relu, Value
from specs.input import InputSpec

MOST_FACTOR = 256
"""The greatest whole ratio of the scales of two streams that are added."""
EQUAL = 2.0**-20
"""Relative difference up to which two scales are the same: float32 rounding."""


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

    def run(self) -> Value:
        """Follows all nodes; returns the value of the network's output."""
        for node in self.model.graph.node:
            if all(not name or name in self.constants for name in node.input):
                continue
            try:
                self.values[node.output[0]] = HANDLERS[node.op_type](self, node)
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
        found = self.values[name]
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


def _quantiser(tracker: Tracker, node: Any) -> Value:
    return tracker.quantise(tracker.only(node), of_quantiser(tracker, node), node)


def _trunc(tracker: Tracker, node: Any) -> Value:
    value = tracker.computed(tracker.only(node))
    levels, shift = of_trunc(tracker, node, value)
    if shift is not None:
        tracker.raw.shifted(value.edge, shift)
        tracker.quantised.append(node.output[0])
        return replace(value, ops=levels.after)
    return tracker.quantise(replace(value, ops=levels.before), levels, node)


def _affine(tracker: Tracker, node: Any) -> Value:
    """Add, Sub, Mul or Div: of a stream and a constant, or of two streams."""
    streams = tracker.streams(node)
    if len(streams) == 2:
        return _sum(tracker, node)
    first = streams[0] == node.input[0]
    number, value = tracker.constant(node.input[1 if first else 0], tracker.value(streams[0]), node)
    if node.op_type == "Mul":
        return value.then(Affine.of(number))
    if node.op_type == "Add":
        return value.then(Affine.of(shift=number))
    if node.op_type == "Sub":
        if first:
            return value.then(Affine.of(shift=-number))
        return value.then(Affine.of(-1.0), Affine.of(shift=number))
    if not first:
        raise PipelineError(f"{where(node)}: divides by a stream; it has no hardware layer")
    if not np.all(number):
        raise PipelineError(f"{where(node)}: divides by 0")
    return value.then(Affine.of(1 / number))


def _sum(tracker: Tracker, node: Any) -> Value:
    """The sum or difference of two streams whose scales are whole multiples of each other."""
    if node.op_type not in ("Add", "Sub"):
        raise PipelineError(
            f"{where(node)}: multiplies or divides two streams; it has no hardware layer"
        )
    values = [tracker.computed(tracker.value(name)) for name in node.input]
    if node.op_type == "Sub":
        values[1] = values[1].then(Affine.of(-1.0))
    one, two = values
    alike = (one.shape, one.flat, one.channels_last) == (two.shape, two.flat, two.channels_last)
    orders = [value.order for value in values]
    if not alike or any(x is not y and not np.array_equal(x, y) for x, y in [orders]):  # type: ignore[arg-type]
        raise PipelineError(
            f"{where(node)}: adds {list(one.shape)} and {list(two.shape)} (height, width, "
            "channels); two streams that are added must have the same shape and layout"
        )
    (scale, shift), (other_scale, other_shift) = one.affine(), two.affine()
    factors = _factors(scale, other_scale, node)
    unit = scale / factors[0]
    edge = tracker.raw.add(one.edge, two.edge, factors, where(node))
    return Value(
        edge,
        one.shape,
        (Affine.of(unit), Affine.of(shift=shift + other_shift)),
        one.channels_last,
        one.flat,
        one.order,
    )


def _factors(scale: np.ndarray, other: np.ndarray, node: Any) -> tuple[int, int]:
    """Whole numbers, one of them 1 or -1, that are as the two scales."""
    if np.all(scale) and np.all(other):
        for ratio, swapped in ((scale / other, False), (other / scale, True)):
            whole = np.rint(ratio.reshape(-1)[0])
            if 1 <= abs(whole) <= MOST_FACTOR and np.all(
                np.abs(ratio - whole) <= EQUAL * abs(whole)
            ):
                return (1, int(whole)) if swapped else (int(whole), 1)
    shown = [np.unique(np.asarray(x, np.float32)) for x in (scale, other)]
    told = [f"{x[0]:.6g}" if len(x) == 1 else f"{x[0]:.6g} to {x[-1]:.6g}" for x in shown]
    raise PipelineError(
        f"{where(node)}: adds two streams whose scales are {told[0]} and {told[1]}. Integers can "
        "only be added if the scales are equal, or one is a whole multiple of the other: give both "
        "one shared quantiser, or scales of a whole ratio"
    )


def _batch_norm(tracker: Tracker, node: Any) -> Value:
    value = tracker.only(node)
    for name in node.input[1:5]:
        _, value = tracker.by_channel(name, value, node)  # a vector, if one of them needs that
    gamma, beta, mean, variance = (
        tracker.by_channel(name, value, node)[0] for name in node.input[1:5]
    )
    factor = gamma / np.sqrt(variance + attributes(node).get("epsilon", 1e-5))
    return value.then(Affine.of(shift=-mean), Affine.of(factor), Affine.of(shift=beta))


def _relu(tracker: Tracker, node: Any) -> Value:
    return tracker.only(node).then(Relu(where(node)))


def _same(tracker: Tracker, node: Any) -> Value:
    return tracker.only(node)


def _flatten(tracker: Tracker, node: Any) -> Value:
    """Flatten or Reshape: from a map to a vector, or with pixels of size 1 also back."""
    value = tracker.only(node)
    shape = tuple(tracker.model.get_tensor_shape(node.output[0]))
    before = tracker.tensor_shape(value)
    if shape[1:] == before and shape[0] == 1:
        return value
    if len(shape) == 2 and shape[0] == 1 and len(value.shape) == 3:
        return replace(value, flat=True)
    pixels = [size for size in shape[1:] if size != 1]
    if len(shape) == 4 and shape[0] == 1 and len(pixels) <= 1:
        vector = tracker.spread(value) if value.flat else value
        if len(vector.shape) == 1 and vector.order is None:
            edge = tracker.raw.edges[vector.edge]
            tracker.raw.edges[vector.edge] = Edge(edge.id, edge.dtype, (1, 1, edge.elements))
            return replace(vector, shape=(1, 1, edge.elements), channels_last=shape[3] != 1)
    raise PipelineError(
        f"{where(node)}: reshapes {[1, *before]} to {list(shape)}; only flattening a whole image "
        "has a hardware layer"
    )


def _transpose(tracker: Tracker, node: Any) -> Value:
    value = tracker.only(node)
    order = list(attributes(node).get("perm", []))
    if value.flat or len(value.shape) == 1:
        if order == [0, 1]:
            return value
    elif order == [0, 1, 2, 3]:
        return value
    elif (order == [0, 2, 3, 1] and not value.channels_last) or (
        order == [0, 3, 1, 2] and value.channels_last
    ):
        return replace(value, channels_last=not value.channels_last)
    raise PipelineError(
        f"{where(node)}: perm = {order} exchanges more than the place of the channels; it has no "
        "hardware layer"
    )


def _max_pool(tracker: Tracker, node: Any) -> Value:
    value = tracker.only(node)
    kernel = tuple(attributes(node)["kernel_shape"])
    height, width, channels = _require_map(value, node)
    shape = (height // kernel[0], width // kernel[1], channels)
    return replace(value.then(Pool(kernel, where(node))), shape=shape)


def _average_pool(tracker: Tracker, node: Any) -> Value:
    """A sum over the whole map; the division goes into the scale."""
    value = tracker.computed(tracker.only(node))
    height, width, channels = _require_map(value, node)
    kernel = tuple(attributes(node).get("kernel_shape", (height, width)))
    if kernel != (height, width):
        raise PipelineError(
            f"{where(node)}: windows of {kernel[0]}x{kernel[1]} over a map of {height}x{width}; an "
            "average pool must cover the whole map"
        )
    value.affine()  # a ReLU cannot be exchanged with a sum
    edge = tracker.raw.sum_pool(tracker.raw.unipolar(value.edge, where(node)), where(node))
    mean = Affine.of(1 / (height * width))
    return replace(value, edge=edge, shape=(1, 1, channels), ops=(mean, *value.ops), sole=True)


def _require_map(value: Value, node: Any) -> tuple[int, int, int]:
    if len(value.shape) != 3 or value.flat or value.channels_last:
        raise PipelineError(
            f"{where(node)}: its input is no image with its channels first, [1, C, H, W]"
        )
    height, width, channels = value.shape
    return height, width, channels


def _product(tracker: Tracker, node: Any) -> Value:
    """Conv, MatMul or Gemm with quantised weights."""
    value = tracker.computed(tracker.only(node))
    given = attributes(node)
    weights = tracker.constants.weights(node.input[1], node)
    integers, scale = weights.integers, np.broadcast_to(weights.scale, weights.integers.shape)
    turned = node.op_type == "Conv" or given.get("transB", 0)
    if not turned:
        integers, scale = integers.T, scale.T
    rows = len(integers)
    by_row = scale.reshape(rows, -1)
    if np.any(by_row != by_row[:, :1]):
        raise PipelineError(
            f"{where(node)}: the scale of its weights is neither one number nor one for each output"
        )
    unit = by_row[:, 0]
    factor, shift = value.affine()
    if factor.size > 1 and np.all(np.abs(factor - factor.flat[0]) <= EQUAL * abs(factor.flat[0])):
        factor = factor.reshape(-1)[0]
    if factor.size > 1:
        raise PipelineError(
            f"{where(node)}: the scales of its input differ by channel "
            f"({factor.min():.4g} to {factor.max():.4g}), so its sums are no integers; put a "
            "quantiser with one scale in front of it"
        )
    if not factor:
        raise PipelineError(f"{where(node)}: its input is multiplied by 0")
    if node.op_type == "Conv":
        edge, sums = _convolution(tracker, node, value, weights.dtype, shift)
    else:
        edge, sums = _dense(tracker, node, value, (integers, weights.dtype), shift)
    shape = tracker.raw.edges[edge].shape
    ops = [Affine.of(2.0, -integers[0].size)] if tracker.raw.layers[edge].popcount else []  # type: ignore[attr-defined]
    scaled = factor * (unit[0] if np.all(unit == unit[0]) else unit)
    ops.append(Affine.of(scaled))
    if np.any(sums):
        ops.append(Affine.of(shift=sums * unit))
    found = Value(edge, shape, tuple(ops))
    if given.get("alpha", 1.0) != 1:
        found = found.then(Affine.of(given["alpha"]))
    if len(node.input) > 2 and node.input[2]:
        bias = tracker.constants.real(node.input[2]) * given.get("beta", 1.0)
        bias = np.broadcast_to(bias.reshape(-1), (rows,)) if bias.size > 1 else bias.reshape(())
        found = found.then(Affine.of(shift=bias))
    return found


def _convolution(
    tracker: Tracker, node: Any, value: Value, dtype: DataType, shift: np.ndarray
) -> tuple[str, np.ndarray]:
    """The edge of a convolution's sums, and what the input's shift adds to each: [MH] or 0."""
    _require_map(value, node)
    given = attributes(node)
    integers = tracker.constants.weights(node.input[1], node).integers
    rows, channels, *kernel = integers.shape
    pads = tuple(given["pads"])
    if any(pads) and np.any(shift):
        raise PipelineError(_why_not_padded(tracker, node, value))
    windows = tracker.raw.windows(
        value.edge, (kernel[0], kernel[1]), tuple(given["strides"]), pads, where(node)
    )
    *pixels, _ = tracker.raw.edges[windows].shape
    by_pixel = np.ascontiguousarray(integers.transpose(0, 2, 3, 1).reshape(rows, -1))
    edge = tracker.raw.product(windows, by_pixel, dtype, tuple(pixels), where(node))
    sums = (integers.sum(axis=(2, 3)) * np.broadcast_to(shift, (channels,))).sum(axis=1)
    return edge, sums


def _why_not_padded(tracker: Tracker, node: Any, value: Value) -> str:
    what = "its input" if value.edge != SOURCE else "the network's input, which has no quantiser,"
    return (
        f"{where(node)}: pads with zeros, but {what} is shifted (a mean, or a batch norm in front "
        "of it), so that no integer stands for 0. Use a convolution without padding, an input "
        "without a mean (input_mean=0), or a quantiser (signed, without zero point) in front of "
        "the convolution"
    )


def _dense(
    tracker: Tracker,
    node: Any,
    value: Value,
    weights: tuple[np.ndarray, DataType],
    shift: np.ndarray,
) -> tuple[str, np.ndarray]:
    integers, dtype = weights
    if len(value.shape) == 3 and not value.flat:
        raise PipelineError(
            f"{where(node)}: multiplies a map of {list(value.shape)} (height, width, channels); "
            "flatten it first"
        )
    if value.flat:
        value, shift = _with_vector(tracker, value, shift)
    sums = (integers * np.broadcast_to(shift, integers.shape[1:])).sum(axis=1)
    if value.order is not None:
        integers = np.ascontiguousarray(integers[:, value.order])
    return tracker.raw.product(value.edge, integers, dtype, (), where(node)), sums


def _with_vector(tracker: Tracker, value: Value, shift: np.ndarray) -> tuple[Value, np.ndarray]:
    """A flattened map as a vector, and a shift by channel as one by element."""
    vector = tracker.spread(replace(value, ops=(Affine.of(shift=shift),)), by_element=False)
    op = vector.ops[0]
    assert isinstance(op, Affine), "it is the one of the line above"
    return vector, op.shift


HANDLERS: dict[str, Callable[[Tracker, Any], Value]] = {
    "Add": _affine,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "BipolarQuant": _quantiser,
    "Conv": _product,
    "Div": _affine,
    "Dropout": _same,
    "Flatten": _flatten,
    "Gemm": _product,
    "Identity": _same,
    "IntQuant": _quantiser,
    "MatMul": _product,
    "MaxPool": _max_pool,
    "Mul": _affine,
    "Quant": _quantiser,
    "Relu": _relu,
    "Reshape": _flatten,
    "Sub": _affine,
    "Transpose": _transpose,
    "Trunc": _trunc,
}
"""By operator: a function that gives the value of a node's output."""
