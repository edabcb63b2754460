"""Turns FINN's nodes into our layers: one entry for each operator of FINN's dataflow graph.

A layer may stand for several nodes: a max-pool for a window and a pool, an MVAU also for the
constants and the thresholds after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count, islice
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.layers import (
    Edge,
    LabelSelect,
    MaxPool,
    Mvau,
    Pad,
    SlidingWindow,
    SumPool,
    Threshold,
    accumulator_range,
)
from pipeline.streamlining.builder import Builder
from pipeline.streamlining.nodes import attribute, datatype, integers


def take(builder: Builder, nodes: list[Any]) -> list[Any]:
    """Turns the first nodes of `nodes` into a layer; returns the nodes after them."""
    node, rest = nodes[0], nodes[1:]
    return OPERATORS[node.op_type](builder, node, rest)


def _take_reshape(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    """A flattened feature map. FINN's order is that of torch (CHW), the stream's is HWC."""
    shape = builder.last.shape
    elements = math.prod(shape)
    if len(shape) == 3 and shape[2] > 1:
        order = np.arange(elements).reshape(shape[2], shape[0], shape[1])
        builder.columns = order.transpose(1, 2, 0).reshape(-1)
    edge = builder.last
    builder.edges[edge.id] = Edge(edge.id, edge.dtype, (elements,))
    return rest


def _take_shuffle(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    if builder.last.vectors != 1:
        raise PipelineError(f"{node.name}: transposes a feature map of more than one pixel")
    return rest


def _take_thresholding(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    taken = {layer.id for layer in builder.layers}
    more = (f"{builder.quantiser}{number}" for number in count(1))
    free = (name for name in (builder.quantiser, *islice(more, len(taken))) if name not in taken)
    layer_id = next(free)
    source = builder.last
    low, high = source.dtype.min, source.dtype.max
    dtype, offset, thresholds = builder.levels(node, source.channels, low, high)
    if builder.columns is not None:
        thresholds = thresholds[builder.columns]
        builder.reordered[f"{layer_id}_out"] = builder.columns
    builder.add(
        Threshold, layer_id, dtype, source.shape, [node], thresholds=thresholds, offset=offset
    )
    return rest


def _take_padding(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    top, left, bottom, right = integers(node, "Padding")
    height, width, channels = builder.last.shape
    builder.add(
        Pad,
        f"{builder.prefix}conv{builder.convolutions}_pad",
        builder.last.dtype,
        (height + top + bottom, width + left + right, channels),
        [node],
        rows=(top, bottom),
        columns=(left, right),
    )
    return rest


def _take_window(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    following = rest[0] if rest else None
    # of one channel, FINN takes a convolution for a depthwise one: it is the same
    vector = following is not None and following.op_type == "VVAU"
    if attribute(node, "depthwise") and not vector:
        _max_pool(builder, node, following)
        return rest[1:]
    _swg(builder, node)
    return rest


def _take_pool(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    raise PipelineError(f"{node.name} (Pool): no sliding window before it")


def _take_label_select(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    labels = int(attribute(node, "Labels"))
    dtype = DataType.smallest(0, labels - 1)
    moved = np.any(builder.labels != np.arange(labels))
    classes = tuple(builder.labels.tolist()) if moved else None
    builder.add(LabelSelect, "label_select", dtype, (1,), [node], labels=classes)
    return rest


def _take_add(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    raise PipelineError(
        f"{node.name} (ElementwiseAdd): adds constants, but not to an MVAU's output"
    )


def _take_fork(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    raise PipelineError(f"{node.name} ({node.op_type}): a fork inside a branch")


def _take_mvau(builder: Builder, node: Any, rest: list[Any]) -> list[Any]:
    kinds = ("ElementwiseAdd", "Thresholding")
    with_it = [later for later in rest[:1] if later.op_type in kinds]
    if with_it and with_it[0].op_type == "ElementwiseAdd":
        with_it += [later for later in rest[1:2] if later.op_type == "Thresholding"]
    _mvau(builder, node, with_it)
    return rest[len(with_it) :]


def _swg(builder: Builder, node: Any) -> None:
    high, wide = integers(node, "ConvKernelDim")
    down, across = integers(node, "Stride")
    if set(integers(node, "Dilation")) != {1}:
        raise PipelineError(f"{node.name}: a dilated convolution has no hardware layer")
    height, width, channels = builder.last.shape
    shape = (
        (height - high) // down + 1,
        (width - wide) // across + 1,
        high * wide * channels,
    )
    builder.add(
        SlidingWindow,
        f"{builder.prefix}conv{builder.convolutions}_swg",
        builder.last.dtype,
        shape,
        [node],
        kernel=(high, wide),
        stride=(down, across),
    )


def _max_pool(builder: Builder, window: Any, pool: Any | None) -> None:
    kernel, stride = integers(window, "ConvKernelDim"), integers(window, "Stride")
    if pool is not None and attribute(pool, "Function") == "QuantAvgPool":
        _sum_pool(builder, window, pool)
        return
    if pool is None or pool.op_type != "Pool" or attribute(pool, "Function") != "MaxPool":
        found = "nothing" if pool is None else f"{pool.name} ({pool.op_type})"
        raise PipelineError(
            f"{window.name}: a depthwise window goes into {found}, which is not a max-pool"
        )
    if kernel != stride:
        raise PipelineError(
            f"{window.name}: windows of {kernel} with stride {stride}; the stride of a max-pool "
            "in hardware must be its size"
        )
    height, width, channels = builder.last.shape
    shape = (height // kernel[0], width // kernel[1], channels)
    layer_id = f"pool{builder.pools}"
    builder.pools += 1
    builder.add(MaxPool, layer_id, builder.last.dtype, shape, [window, pool], kernel=tuple(kernel))


def _sum_pool(builder: Builder, window: Any, pool: Any) -> None:
    """FINN's QuantAvgPool: a sum, shifted so that its greatest value has the output's bits."""
    source = builder.last
    if tuple(integers(window, "ConvKernelDim")) != source.shape[:2]:
        raise PipelineError(f"{pool.name}: an average pool must cover the whole feature map")
    greatest = ((1 << source.dtype.bits) - 1) * source.vectors
    bits = datatype(attribute(pool, "OutputDataType")).bits
    shift = max(0, greatest.bit_length() - bits)
    layer_id = f"{builder.prefix}pool{builder.pools}"
    builder.pools += 1
    low, high = SumPool(layer_id, source.id, "", (), shift).range(source)
    dtype = DataType.smallest(low, high)
    shape = (1, 1, source.channels)
    builder.add(SumPool, layer_id, dtype, shape, [window, pool], shift=shift)


def _mvau(builder: Builder, node: Any, behind: list[Any]) -> None:
    """behind: the nodes that become part of the layer: added constants, thresholds."""
    source = builder.last
    popcount = bool(attribute(node, "binaryXnorMode"))
    stored = builder.model.get_initializer(node.input[1]).astype(np.int64)
    if node.op_type == "VVAU":
        if len(stored) > 1:
            raise PipelineError(f"{node.name}: a depthwise convolution has no hardware layer")
        stored = stored.reshape(1, -1).T
    stored = stored.T
    weights = 2 * stored - 1 if popcount else stored
    if builder.columns is not None:
        weights, builder.columns = weights[:, builder.columns], None
    weight_dtype = BIPOLAR if popcount else datatype(attribute(node, "weightDataType"))
    rows, columns = weights.shape
    bias = builder.bias(behind, rows)
    following = behind[-1] if behind and behind[-1].op_type == "Thresholding" else None
    low, high = (0, columns) if popcount else accumulator_range(weights, source.dtype, bias)
    values: dict[str, Any] = {
        "weights": weights,
        "weight_dtype": weight_dtype,
        "popcount": popcount,
        "bias": bias,
    }
    if following is None:
        dtype = values["accumulator"] = DataType.smallest(low, high)
    else:
        dtype, values["offset"], values["thresholds"] = builder.levels(following, rows, low, high)
        greatest = max(high, int(values["thresholds"].max()))
        values["accumulator"] = DataType.smallest(low, greatest)
    shape = tuple(builder.model.get_tensor_shape(node.output[0])[1:])
    if len(shape) == 3:
        layer_id = f"{builder.prefix}conv{builder.convolutions}"
        builder.convolutions += 1
    else:
        layer_id = f"{builder.prefix}fc{builder.dense}"
        builder.dense += 1
    builder.add(Mvau, layer_id, dtype, shape, [node, *behind], **values)


OPERATORS: dict[str, Callable[[Builder, Any, list[Any]], list[Any]]] = {
    "ConvolutionInputGenerator": _take_window,
    "DuplicateStreams": _take_fork,
    "ElementwiseAdd": _take_add,
    "FMPadding": _take_padding,
    "LabelSelect": _take_label_select,
    "MVAU": _take_mvau,
    "Pool": _take_pool,
    "Reshape": _take_reshape,
    "Shuffle": _take_shuffle,
    "Thresholding": _take_thresholding,
    "VVAU": _take_mvau,
}
"""By operator: a function that takes its node and the nodes after it, and returns those left."""
