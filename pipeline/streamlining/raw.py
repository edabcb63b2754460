"""The hardware graph while it grows: layers in the order of the network, one edge for each tensor.

An edge may have several readers here. `finish` adds the forks and gives layers their names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import (
    Add,
    Edge,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    Select,
    SlidingWindow,
    SumPool,
    Threshold,
    accumulator_range,
)
from pipeline.streamlining.values import Affine, Pool, Value

SOURCE = "image"
MOST_TURNED_BITS = 8
"""The most bits of values that thresholds turn round."""


class Raw:
    """Layers and edges so far. Each method adds a layer and returns its output edge's id.

    nodes: for each layer, where it comes from in the network, in words.
    """

    def __init__(self, source: Edge) -> None:
        self.edges = {source.id: source}
        self.layers: dict[str, Layer] = {}
        """By the id of the output edge."""
        self.nodes: dict[str, str] = {}

    def _add(
        self,
        kind: type[Layer],
        source: str,
        dtype: DataType,
        shape: tuple[int, ...],
        node: str,
        **values: Any,
    ) -> str:
        name = f"n{len(self.layers)}"
        self.edges[name] = Edge(name, dtype, shape)
        self.layers[name] = kind(name, source, name, **values)
        self.nodes[name] = node
        return name

    def threshold(
        self,
        source: str,
        dtype: DataType,
        offset: int,
        limits: tuple[np.ndarray, np.ndarray],
        node: str,
    ) -> str:
        """limits: thresholds [C, T] or [1, T], and the mask of channels that fall."""
        edge = self.edges[source]
        thresholds, falling = (
            np.ascontiguousarray(np.broadcast_to(x, (edge.channels, *x.shape[1:]))) for x in limits
        )
        return self._add(
            Threshold,
            source,
            dtype,
            edge.shape,
            node,
            thresholds=thresholds,
            offset=offset,
            falling=falling if falling.any() else None,
        )

    def product(
        self, source: str, weights: np.ndarray, dtype: DataType, pixels: tuple[int, ...], node: str
    ) -> str:
        """A matrix-vector unit without thresholds. weights: int64 [MH, MW]."""
        input_dtype = self.edges[source].dtype
        popcount = dtype.bipolar and input_dtype.bipolar
        low, high = (0, weights.shape[1]) if popcount else accumulator_range(weights, input_dtype)
        accumulator = DataType.smallest(low, high)
        return self._add(
            Mvau,
            source,
            accumulator,
            (*pixels, len(weights)),
            node,
            weights=weights,
            weight_dtype=dtype,
            accumulator=accumulator,
            popcount=popcount,
        )

    def windows(
        self,
        source: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: tuple[int, int, int, int],
        node: str,
        kept: tuple[int, ...] | None = None,
    ) -> str:
        """The windows of a convolution. pads: rows above, columns left, rows below, columns right.

        kept: the positions that are kept of a window, if not all.
        PipelineError: zeros around 1-bit values.
        """
        edge = self.edges[source]
        if any(pads):
            if edge.dtype.bipolar:
                raise PipelineError(
                    f"{node}: pads 1-bit values, which are -1 and +1: there is no zero to pad "
                    "with; use activations of 2 bits or more, or no padding"
                )
            rows, columns = (pads[0], pads[2]), (pads[1], pads[3])
            height, width, channels = edge.shape
            shape = (height + sum(rows), width + sum(columns), channels)
            source = self._add(Pad, source, edge.dtype, shape, node, rows=rows, columns=columns)
            edge = self.edges[source]
        if kernel == stride == (1, 1) and kept is None:
            return source
        height, width, channels = edge.shape
        shape = (
            (height - kernel[0]) // stride[0] + 1,
            (width - kernel[1]) // stride[1] + 1,
            kernel[0] * kernel[1] * channels if kept is None else len(kept),
        )
        return self._add(
            SlidingWindow, source, edge.dtype, shape, node, kernel=kernel, stride=stride, kept=kept
        )

    def keep(self, source: str, kept: tuple[int, ...], node: str) -> str:
        """A vector of the kept elements of each image, by their positions in the stream."""
        return self._add(Select, source, self.edges[source].dtype, (len(kept),), node, kept=kept)

    def max_pool(self, source: str, pool: Pool) -> str:
        edge = self.edges[source]
        height, width, channels = edge.shape
        shape = (height // pool.kernel[0], width // pool.kernel[1], channels)
        return self._add(MaxPool, source, edge.dtype, shape, pool.node, kernel=pool.kernel)

    def sum_pool(self, source: str, kernel: tuple[int, int], node: str) -> str:
        edge = self.edges[source]
        height, width, channels = edge.shape
        given = None if kernel == (height, width) else kernel
        dtype = DataType.smallest(*SumPool("", source, "", kernel=given).range(edge))
        shape = (height // kernel[0], width // kernel[1], channels)
        return self._add(SumPool, source, dtype, shape, node, kernel=given)

    def add(self, source: str, other: str, factors: tuple[int, int], node: str) -> str:
        ends = [self.unipolar(name, node) for name in (source, other)]
        pairs = zip(ends, factors, strict=True)
        ranges = [
            sorted((factor * self.edges[end].dtype.min, factor * self.edges[end].dtype.max))
            for end, factor in pairs
        ]
        dtype = DataType.smallest(*(sum(side) for side in zip(*ranges, strict=True)))
        shape = self.edges[ends[0]].shape
        return self._add(Add, ends[0], dtype, shape, node, other=ends[1], factors=factors)

    def select(self, source: str, labels: tuple[int, ...] | None) -> str:
        """The label of the greatest channel."""
        dtype = DataType.smallest(0, self.edges[source].channels - 1)
        return self._add(LabelSelect, source, dtype, (1,), "the arg-max", labels=labels)

    def unipolar(self, source: str, node: str) -> str:
        """The same values with two bits, if they have one: -1 + (x >= 1) + (x >= 1)."""
        if not self.edges[source].dtype.bipolar:
            return source
        limits = np.ones((1, 2), np.int64), np.zeros(1, bool)
        return self.threshold(source, DataType("INT2"), -1, limits, node)

    def shifted(self, source: str, shift: int) -> None:
        """Makes a sum pool shift its sums."""
        layer = self.layers[source]
        assert isinstance(layer, SumPool), "the caller has looked"
        pool = self.layers[source] = replace(layer, shift=shift)
        dtype = DataType.smallest(*pool.range(self.edges[layer.input]))
        self.edges[source] = Edge(source, dtype, self.edges[source].shape)

    def flatten(self, source: str) -> None:
        """Makes an edge's map a vector, in stream order."""
        edge = self.edges[source]
        self.edges[source] = Edge(source, edge.dtype, (edge.elements,))

    def negated(self, value: Value, rows: np.ndarray) -> Value:
        """`value` with the given channels of its integers turned round. rows: bool [C].

        A product that nothing else reads does it by its weights, anything else by thresholds.
        """
        layer = self.layers.get(value.edge)
        if not isinstance(layer, Mvau) or not value.sole:
            return self._turned(value, rows)
        layer = self.layers[value.edge] = negated_rows(layer, rows)
        edge = self.edges[value.edge]
        if layer.popcount:
            # with the complement of its rows, p becomes MW - p, and 2 p - MW changes its sign
            first, ops = value.ops[:1], value.ops[1:]
        else:
            low, high = accumulator_range(layer.weights, self.edges[layer.input].dtype)
            accumulator = DataType.smallest(low, high)
            self.layers[value.edge] = replace(layer, accumulator=accumulator)
            self.edges[value.edge] = Edge(edge.id, accumulator, edge.shape)
            first, ops = (), value.ops
        sign = Affine.of(np.where(rows, -1.0, 1.0))
        return replace(value, ops=(*first, sign, *ops))

    def _turned(self, value: Value, rows: np.ndarray) -> Value:
        """Thresholds at all values: x stays x, or where levels fall becomes least + most - x."""
        dtype, node = self.edges[value.edge].dtype, self.nodes.get(value.edge, "the input")
        if dtype.bits > MOST_TURNED_BITS:
            raise PipelineError(
                f"{node}: its values, of {dtype.bits} bits, are multiplied by negative factors and "
                "then go through a max-pool; this is supported right behind a convolution that "
                f"nothing else reads, or of {MOST_TURNED_BITS} bits: put the quantiser before the "
                "max-pool"
            )
        steps = np.ones(1, np.int64) if dtype.bipolar else np.arange(dtype.min + 1, dtype.max + 1)
        offset = 0 if dtype.bipolar else dtype.min
        name = self.threshold(value.edge, dtype, offset, (steps[None], rows), node)
        back = Affine.of(np.where(rows, -1.0, 1.0), np.where(rows, dtype.min + dtype.max, 0))
        return replace(value, edge=name, ops=(back, *value.ops), sole=True)


def negated_rows(layer: Mvau, rows: np.ndarray) -> Mvau:
    """An MVAU with some rows of its weights negated; with one more weight bit if they need it."""
    weights = np.where(rows[:, None], -layer.weights, layer.weights)
    dtype = layer.weight_dtype
    if not dtype.holds(weights):
        dtype = DataType(f"INT{dtype.bits + 1}")
    bias = None if layer.bias is None else np.where(rows, -layer.bias, layer.bias)
    return replace(layer, weights=weights, weight_dtype=dtype, bias=bias)
