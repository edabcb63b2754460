"""FINN's dataflow graph -> our hardware graph: logical integers under structural names.

Taken before FINN's bit-width minimisation, which promotes BIPOLAR weights to INT2 and sizes
accumulators of XNOR layers from the wrong range (for MW = 784 as INT10, though the popcount
reaches 784), clipping thresholds with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.graph import (
    Edge,
    HardwareGraph,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    SlidingWindow,
    Threshold,
    accumulator_range,
)
from specs.network import InputSpec

SOURCE = "image"


@dataclass(frozen=True)
class Extraction:
    """The graph, and the FINN tensor that each edge of it stands for."""

    graph: HardwareGraph
    tensors: dict[str, str]
    reordered: dict[str, np.ndarray]
    """FINN's channel at each position of ours, for the edges where the two orders differ."""

    def in_stream_order(self, edge: str, values: np.ndarray) -> np.ndarray:
        """FINN's values [..., C] of an edge in the channel order of our stream."""
        order = self.reordered.get(edge)
        return values if order is None else values[..., order]


def extract(model: Any, name: str, contract: InputSpec) -> Extraction:
    """`model`: FINN's dataflow graph before specialisation, a chain of hardware nodes.

    Raises PipelineError naming every node it has no layer for.
    """
    builder = _Builder(model, contract)
    nodes = list(model.graph.node)
    unknown = [f"{node.name} ({node.op_type})" for node in nodes if node.op_type not in _KNOWN]
    if unknown:
        raise PipelineError(
            f"no hardware layer for: {', '.join(unknown)}; supported: {', '.join(sorted(_KNOWN))}"
        )
    _require_chain(model, nodes)
    while nodes:
        nodes = builder.take(nodes)
    graph = HardwareGraph(name, contract, builder.edges, tuple(builder.layers))
    graph.check()
    return Extraction(graph, builder.tensors, builder.reordered)


_KNOWN = {
    "ConvolutionInputGenerator",
    "FMPadding",
    "LabelSelect",
    "MVAU",
    "Pool",
    "Reshape",
    "Thresholding",
    "VVAU",
}


def _require_chain(model: Any, nodes: list[Any]) -> None:
    current = model.graph.input[0].name
    for node in nodes:
        if node.input[0] != current or len(node.output) != 1:
            raise PipelineError(f"{node.name} ({node.op_type}): the graph is not a chain here")
        current = node.output[0]


class _Builder:
    """Takes nodes off the front of the chain, one or two a layer."""

    def __init__(self, model: Any, contract: InputSpec) -> None:
        self.model = model
        self.edges = {SOURCE: Edge(SOURCE, DataType(contract.dtype), contract.shape)}
        self.layers: list[Layer] = []
        self.tensors: dict[str, str] = {}
        self.reordered: dict[str, np.ndarray] = {}
        self.contract = contract
        self.columns: np.ndarray | None = None
        """Channel of FINN's stream at each position of ours, where the two orders differ."""
        self.dense = self.convolutions = self.pools = 0

    @property
    def last(self) -> Edge:
        return next(reversed(self.edges.values()))

    def take(self, nodes: list[Any]) -> list[Any]:
        node, rest = nodes[0], nodes[1:]
        if node.op_type == "Reshape":
            self._flatten()
            return rest
        if node.op_type == "Thresholding":
            self._threshold(node, "input_quant")
            return rest
        if node.op_type == "FMPadding":
            self._pad(node)
            return rest
        if node.op_type == "ConvolutionInputGenerator":
            following = rest[0] if rest else None
            # of one channel, FINN takes a convolution for a depthwise one: it is the same
            vector = following is not None and following.op_type == "VVAU"
            if _attribute(node, "depthwise") and not vector:
                self._max_pool(node, following)
                return rest[1:]
            self._swg(node)
            return rest
        if node.op_type == "Pool":
            raise PipelineError(f"{node.name} (Pool): no sliding window before it")
        if node.op_type == "LabelSelect":
            labels = int(_attribute(node, "Labels"))
            dtype = DataType.smallest(0, labels - 1)
            self._add(LabelSelect, "label_select", dtype, (1,), [node])
            return rest
        following = rest[0] if rest and rest[0].op_type == "Thresholding" else None
        self._mvau(node, following)
        return rest if following is None else rest[1:]

    def _flatten(self) -> None:
        """A flattened feature map: FINN's order is that of torch (CHW), the stream's is HWC."""
        shape = self.last.shape
        elements = math.prod(shape)
        if len(shape) == 3 and shape[2] > 1:
            order = np.arange(elements).reshape(shape[2], shape[0], shape[1])
            self.columns = order.transpose(1, 2, 0).reshape(-1)
        edge = self.last
        self.edges[edge.id] = Edge(edge.id, edge.dtype, (elements,))

    def _threshold(self, node: Any, layer_id: str) -> None:
        source = self.last
        low, high = source.dtype.min, source.dtype.max
        dtype, offset, thresholds = self._levels(node, source.channels, low, high)
        if self.columns is not None:
            thresholds = thresholds[self.columns]
            self.reordered[f"{layer_id}_out"] = self.columns
        self._add(
            Threshold, layer_id, dtype, source.shape, [node], thresholds=thresholds, offset=offset
        )

    def _pad(self, node: Any) -> None:
        top, left, bottom, right = _integers(node, "Padding")
        height, width, channels = self.last.shape
        self._add(
            Pad,
            f"conv{self.convolutions}_pad",
            self.last.dtype,
            (height + top + bottom, width + left + right, channels),
            [node],
            rows=(top, bottom),
            columns=(left, right),
        )

    def _swg(self, node: Any) -> None:
        high, wide = _integers(node, "ConvKernelDim")
        down, across = _integers(node, "Stride")
        if set(_integers(node, "Dilation")) != {1}:
            raise PipelineError(f"{node.name}: a dilated convolution has no hardware layer")
        height, width, channels = self.last.shape
        shape = (
            (height - high) // down + 1,
            (width - wide) // across + 1,
            high * wide * channels,
        )
        self._add(
            SlidingWindow,
            f"conv{self.convolutions}_swg",
            self.last.dtype,
            shape,
            [node],
            kernel=(high, wide),
            stride=(down, across),
        )

    def _max_pool(self, window: Any, pool: Any | None) -> None:
        kernel, stride = _integers(window, "ConvKernelDim"), _integers(window, "Stride")
        if pool is None or pool.op_type != "Pool" or _attribute(pool, "Function") != "MaxPool":
            found = "nothing" if pool is None else f"{pool.name} ({pool.op_type})"
            raise PipelineError(f"{window.name}: a depthwise window goes into {found}, no max-pool")
        if kernel != stride:
            raise PipelineError(
                f"{window.name}: windows of {kernel} with stride {stride} overlap; "
                "max-pools whose stride is their size have a hardware layer"
            )
        height, width, channels = self.last.shape
        shape = (height // kernel[0], width // kernel[1], channels)
        layer_id = f"pool{self.pools}"
        self.pools += 1
        self._add(MaxPool, layer_id, self.last.dtype, shape, [window, pool], kernel=tuple(kernel))

    def _mvau(self, node: Any, following: Any | None) -> None:
        source = self.last
        popcount = bool(_attribute(node, "binaryXnorMode"))
        stored = self.model.get_initializer(node.input[1]).astype(np.int64)
        if node.op_type == "VVAU":
            if len(stored) > 1:
                raise PipelineError(f"{node.name}: a depthwise convolution has no hardware layer")
            stored = stored.reshape(1, -1).T
        stored = stored.T
        weights = 2 * stored - 1 if popcount else stored
        if self.columns is not None:
            weights, self.columns = weights[:, self.columns], None
        weight_dtype = BIPOLAR if popcount else _datatype(_attribute(node, "weightDataType"))
        rows, columns = weights.shape
        low, high = (0, columns) if popcount else accumulator_range(weights, source.dtype)
        values: dict[str, Any] = {
            "weights": weights,
            "weight_dtype": weight_dtype,
            "popcount": popcount,
        }
        nodes = [node]
        if following is None:
            dtype = values["accumulator"] = DataType.smallest(low, high)
        else:
            dtype, values["offset"], values["thresholds"] = self._levels(following, rows, low, high)
            greatest = max(high, int(values["thresholds"].max()))
            values["accumulator"] = DataType.smallest(low, greatest)
            nodes.append(following)
        shape = tuple(self.model.get_tensor_shape(node.output[0])[1:])
        if len(shape) == 3:
            layer_id = f"conv{self.convolutions}"
            self.convolutions += 1
        else:
            layer_id = f"fc{self.dense}"
            self.dense += 1
        self._add(Mvau, layer_id, dtype, shape, nodes, **values)

    def _levels(
        self, node: Any, rows: int, low: int, high: int
    ) -> tuple[DataType, int, np.ndarray]:
        """Datatype, offset and integer thresholds [rows, T] of a Thresholding node.

        x >= t is x >= ceil(t) for integers x in [low, high]; clipped to [low, high + 1], always and
        never, which changes no comparison. FINN writes BINARY where an XNOR layer reads a bipolar
        stream, and `SpellBipolarAsTernary` the same threshold twice where wider weights do.
        """
        real = np.asarray(self.model.get_initializer(node.input[1]), np.float64)
        whole = np.clip(np.ceil(real), low, high + 1).astype(np.int64)
        thresholds = np.ascontiguousarray(np.broadcast_to(whole, (rows, whole.shape[1])))
        name, offset = _attribute(node, "outputDataType"), int(_attribute(node, "ActVal"))
        if name in ("BINARY", "BIPOLAR"):
            return BIPOLAR, 0, thresholds
        if (
            offset == -1
            and thresholds.shape[1] == 2
            and np.all(thresholds[:, 0] == thresholds[:, 1])
        ):
            return BIPOLAR, 0, thresholds[:, :1].copy()
        return _datatype(name), offset, thresholds

    def _add(
        self,
        kind: type[Layer],
        layer_id: str,
        dtype: DataType,
        shape: tuple[int, ...],
        nodes: list[Any],
        **values: Any,
    ) -> None:
        source = self.last
        edge = Edge(f"{layer_id}_out", dtype, shape)
        self.layers.append(
            kind(layer_id, source.id, edge.id, tuple(node.name for node in nodes), **values)
        )
        self.edges[edge.id] = edge
        self.tensors[edge.id] = nodes[-1].output[0]


def _attribute(node: Any, name: str) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            values = (attribute.i, attribute.s.decode(), attribute.f)
            return next((value for value in values if value), 0)
    return 0


def _integers(node: Any, name: str) -> list[int]:
    return next(list(attribute.ints) for attribute in node.attribute if attribute.name == name)


def _datatype(name: str) -> DataType:
    if name == "BINARY":
        return DataType("UINT1")
    if name == "TERNARY":
        return DataType("INT2")
    return DataType(name)
