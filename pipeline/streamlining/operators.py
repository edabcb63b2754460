"""What each operator of a QONNX graph does to a value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.layers import Edge
from pipeline.qonnx.edit import attributes, where
from pipeline.streamlining.levels import of_quantiser, of_trunc
from pipeline.streamlining.products import EQUAL, product, require_map
from pipeline.streamlining.tracker import Handlers, Tracker
from pipeline.streamlining.values import Affine, Pool, Relu, Value

MOST_FACTOR = 256
"""The greatest whole ratio of the scales of two streams that are added."""


def _quantiser(tracker: Tracker, node: Any) -> Value:
    value = tracker.only(node)
    return tracker.quantise(value, of_quantiser(tracker.constants, node, value), node)


def _trunc(tracker: Tracker, node: Any) -> Value:
    value = tracker.computed(tracker.only(node))
    levels, shift = of_trunc(tracker.constants, tracker.raw, node, value)
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
    if one.layout() != two.layout():
        raise PipelineError(
            f"{where(node)}: adds {list(one.shape)} and {list(two.shape)} (height, width, "
            "channels); two streams that are added must have the same shape and layout"
        )
    (scale, shift), (other_scale, other_shift) = one.affine(), two.affine()
    if one.edge == two.edge:  # x + x, where no layer is between
        both = Affine.of(scale + other_scale, shift + other_shift)
        return replace(one, ops=(both,))
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
    height, width, channels = require_map(value, node)
    shape = (height // kernel[0], width // kernel[1], channels)
    return replace(value.then(Pool(kernel, where(node))), shape=shape)


def _average_pool(tracker: Tracker, node: Any) -> Value:
    """Sums over windows that do not overlap; the division goes into the scale."""
    value = tracker.computed(tracker.only(node))
    height, width, channels = require_map(value, node)
    kernel = tuple(attributes(node).get("kernel_shape", (height, width)))
    value.affine()  # a ReLU cannot be exchanged with a sum
    source = tracker.raw.unipolar(value.edge, where(node))
    edge = tracker.raw.sum_pool(source, kernel, where(node))
    mean = Affine.of(1 / (kernel[0] * kernel[1]))
    shape = (height // kernel[0], width // kernel[1], channels)
    return replace(value, edge=edge, shape=shape, ops=(mean, *value.ops), sole=True)


HANDLERS: Handlers = {
    "Add": _affine,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "BipolarQuant": _quantiser,
    "Conv": product,
    "Div": _affine,
    "Dropout": _same,
    "Flatten": _flatten,
    "Gemm": product,
    "GlobalAveragePool": _average_pool,
    "Identity": _same,
    "IntQuant": _quantiser,
    "MatMul": product,
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
