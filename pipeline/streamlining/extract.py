"""FINN's dataflow graph -> our hardware graph: logical integers under structural names.

Taken before FINN's bit-width minimisation, which promotes BIPOLAR weights to INT2 and sizes
accumulators of XNOR layers from the wrong range (for MW = 784 as INT10, though the popcount
reaches 784), clipping thresholds with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.graph import HardwareGraph, Post
from pipeline.hardware.layers import (
    Add,
    Edge,
    Fork,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    SlidingWindow,
    SumPool,
    Threshold,
    accumulator_range,
)
from pipeline.streamlining.finn import Dataflow
from pipeline.streamlining.tail import Tail
from specs.input import InputSpec

SOURCE = "image"


@dataclass(frozen=True)
class Extraction:
    """The graph, and the FINN tensor that each edge of it stands for."""

    graph: HardwareGraph
    tensors: dict[str, str]
    reordered: dict[str, np.ndarray]
    """FINN's channel at each position of ours, for the edges where the two orders differ."""
    tail: Tail

    def in_stream_order(self, edge: str, values: np.ndarray) -> np.ndarray:
        """FINN's values [..., C] of an edge in the channel order of our stream."""
        order = self.reordered.get(edge)
        return values if order is None else values[..., order]


def extract(dataflow: Dataflow, name: str, contract: InputSpec) -> Extraction:
    """Our graph of FINN's.

    dataflow: before specialisation, a chain of hardware nodes and of blocks of two ways each, which
    begin at a fork and meet at a sum.

    Raises PipelineError naming every node it has no layer for.
    """
    model, tail = dataflow.model, dataflow.tail
    builder = _Builder(model, contract, tail.labels)
    nodes = list(model.graph.node)
    unknown = [f"{node.name} ({node.op_type})" for node in nodes if node.op_type not in _KNOWN]
    if unknown:
        raise PipelineError(
            f"no hardware layer for: {', '.join(unknown)}; supported: {', '.join(sorted(_KNOWN))}"
        )
    builder.walk()
    post = Post()
    if not isinstance(builder.layers[-1], LabelSelect):
        post = Post("logits", tuple(tail.scale.tolist()), tuple(tail.bias.tolist()))
    graph = HardwareGraph(name, contract, builder.edges, tuple(builder.layers), post)
    graph.check()
    return Extraction(graph, builder.tensors, builder.reordered, tail)


_KNOWN = {
    "ConvolutionInputGenerator",
    "DuplicateStreams",
    "ElementwiseAdd",
    "FMPadding",
    "LabelSelect",
    "MVAU",
    "Pool",
    "Reshape",
    "Shuffle",
    "Thresholding",
    "VVAU",
}


class _Builder:
    """Takes nodes off the front of a chain, one or two a layer."""

    def __init__(self, model: Any, contract: InputSpec, labels: np.ndarray) -> None:
        self.model = model
        self.labels = labels
        self.edges = {SOURCE: Edge(SOURCE, DataType(contract.dtype), contract.shape)}
        self.at = SOURCE
        """The edge that the next layer reads."""
        self.layers: list[Layer] = []
        self.tensors: dict[str, str] = {}
        self.reordered: dict[str, np.ndarray] = {}
        self.contract = contract
        self.columns: np.ndarray | None = None
        """Channel of FINN's stream at each position of ours, where the two orders differ."""
        self.dense = self.convolutions = self.pools = self.blocks = 0
        self.prefix = ""
        """Of the layers on a way between a fork and a sum."""
        self.quantiser = "input_quant"
        """Name of the next threshold that stands by itself."""

    @property
    def last(self) -> Edge:
        return self.edges[self.at]

    def walk(self) -> None:
        """Takes all nodes from the input on."""
        nodes, end = self._way(self.model.graph.input[0].name)
        self._take_all(nodes)
        while end is not None:
            if end.op_type == "ElementwiseAdd":
                raise PipelineError(f"{end.name}: a sum of streams that no fork began")
            nodes, end = self._way(self._block(end))
            self._take_all(nodes)

    def _way(self, tensor: str) -> tuple[list[Any], Any | None]:
        """The nodes behind `tensor`, one after the other, up to a fork or a sum, and that."""
        nodes: list[Any] = []
        while True:
            readers = self.model.find_consumers(tensor) or []
            if not readers:
                return nodes, None
            node = readers[0]
            if len(readers) > 1:
                raise PipelineError(f"{node.name} ({node.op_type}): reads {tensor} beside others")
            if node.op_type == "DuplicateStreams" or _sums_streams(self.model, node):
                return nodes, node
            nodes.append(node)
            tensor = node.output[0]

    def _take_all(self, nodes: list[Any]) -> None:
        while nodes:
            nodes = self.take(nodes)

    def _block(self, fork: Any) -> str:
        """A fork, its two ways and the sum at which they meet; returns the sum's tensor.

        The longer way comes first. In it convolutions count from 0, as in the other.
        """
        ways = [(tensor, *self._way(tensor)) for tensor in fork.output]
        ways.sort(key=lambda way: -len(way[1]))
        join = ways[0][2]
        if len(ways) != 2 or join is None or join.op_type != "ElementwiseAdd":
            raise PipelineError(f"{fork.name}: a fork whose ways are not two that meet at a sum")
        if ways[1][2] is not join:
            raise PipelineError(f"{fork.name}: its ways do not meet at {join.name}")
        name = f"block{self.blocks}"
        source, names = self.last, (f"{name}_long", f"{name}_short")
        self.layers.append(Fork(f"{name}_fork", source.id, names[0], (fork.name,), names[1]))
        convolutions, ends = self.convolutions, []
        for edge, prefix, (tensor, nodes, _) in zip(names, ("", "shortcut_"), ways, strict=True):
            self.edges[edge] = Edge(edge, source.dtype, source.shape)
            self.tensors[edge] = tensor
            self.at, self.convolutions = edge, 0
            self.prefix = f"{name}_{prefix}"
            self.quantiser = f"{self.prefix}quant"
            self._take_all(nodes)
            ends.append(self.last)
        self.convolutions, self.prefix, self.quantiser = convolutions, "", f"{name}_sum_quant"
        self.blocks += 1
        low, high = (sum(getattr(end.dtype, side) for end in ends) for side in ("min", "max"))
        self.at = ends[0].id
        dtype = DataType.smallest(low, high)
        assert join is not None, "found above"
        self._add(Add, f"{name}_sum", dtype, ends[0].shape, [join], other=ends[1].id)
        return str(join.output[0])

    def take(self, nodes: list[Any]) -> list[Any]:
        node, rest = nodes[0], nodes[1:]
        if node.op_type == "Reshape":
            self._flatten()
            return rest
        if node.op_type == "Shuffle":
            if self.last.vectors != 1:
                raise PipelineError(f"{node.name}: transposes a map of more than one pixel")
            return rest
        if node.op_type == "Thresholding":
            taken = {layer.id for layer in self.layers}
            more = (f"{self.quantiser}{number}" for number in count(1))
            free = (
                name for name in (self.quantiser, *islice(more, len(taken))) if name not in taken
            )
            self._threshold(node, next(free))
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
            moved = np.any(self.labels != np.arange(labels))
            classes = tuple(self.labels.tolist()) if moved else None
            self._add(LabelSelect, "label_select", dtype, (1,), [node], labels=classes)
            return rest
        if node.op_type == "ElementwiseAdd":
            raise PipelineError(f"{node.name} (ElementwiseAdd): adds constants to no MVAU's output")
        kinds = ("ElementwiseAdd", "Thresholding")
        with_it = [later for later in rest[:1] if later.op_type in kinds]
        if with_it and with_it[0].op_type == "ElementwiseAdd":
            with_it += [later for later in rest[1:2] if later.op_type == "Thresholding"]
        self._mvau(node, with_it)
        return rest[len(with_it) :]

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
            f"{self.prefix}conv{self.convolutions}_pad",
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
            f"{self.prefix}conv{self.convolutions}_swg",
            self.last.dtype,
            shape,
            [node],
            kernel=(high, wide),
            stride=(down, across),
        )

    def _max_pool(self, window: Any, pool: Any | None) -> None:
        kernel, stride = _integers(window, "ConvKernelDim"), _integers(window, "Stride")
        if pool is not None and _attribute(pool, "Function") == "QuantAvgPool":
            self._sum_pool(window, pool)
            return
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

    def _sum_pool(self, window: Any, pool: Any) -> None:
        """FINN's QuantAvgPool: a sum, shifted so that its greatest value has the output's bits."""
        source = self.last
        if tuple(_integers(window, "ConvKernelDim")) != source.shape[:2]:
            raise PipelineError(f"{pool.name}: an average pool of less than the whole feature map")
        greatest = ((1 << source.dtype.bits) - 1) * source.vectors
        bits = _datatype(_attribute(pool, "OutputDataType")).bits
        shift = max(0, greatest.bit_length() - bits)
        layer_id = f"{self.prefix}pool{self.pools}"
        self.pools += 1
        low, high = SumPool(layer_id, source.id, "", (), shift).range(source)
        dtype = DataType.smallest(low, high)
        shape = (1, 1, source.channels)
        self._add(SumPool, layer_id, dtype, shape, [window, pool], shift=shift)

    def _mvau(self, node: Any, behind: list[Any]) -> None:
        """behind: what becomes part of the layer: constants added, thresholds."""
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
        bias = self._bias(behind, rows)
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
            dtype, values["offset"], values["thresholds"] = self._levels(following, rows, low, high)
            greatest = max(high, int(values["thresholds"].max()))
            values["accumulator"] = DataType.smallest(low, greatest)
        shape = tuple(self.model.get_tensor_shape(node.output[0])[1:])
        if len(shape) == 3:
            layer_id = f"{self.prefix}conv{self.convolutions}"
            self.convolutions += 1
        else:
            layer_id = f"{self.prefix}fc{self.dense}"
            self.dense += 1
        self._add(Mvau, layer_id, dtype, shape, [node, *behind], **values)

    def _bias(self, behind: list[Any], rows: int) -> np.ndarray | None:
        """Constants added to an MVAU's output: int64 [rows]."""
        if not behind or behind[0].op_type != "ElementwiseAdd":
            return None
        found = [self.model.get_initializer(name) for name in behind[0].input]
        constant = next(value for value in found if value is not None)
        return np.array(np.broadcast_to(constant.reshape(-1), (rows,)), np.int64)

    def _levels(
        self, node: Any, rows: int, low: int, high: int
    ) -> tuple[DataType, int, np.ndarray]:
        """Datatype, offset and integer thresholds [rows, T] of a Thresholding node.

        x >= t is x >= ceil(t) for integers x in [low, high]; clipped to [low, high + 1], always and
        never, which changes no comparison. FINN writes BINARY for bits 0 and 1, and where an XNOR
        layer reads a bipolar stream; `SpellBipolarAsTernary` the same threshold twice where wider
        weights do.
        """
        real = np.asarray(self.model.get_initializer(node.input[1]), np.float64)
        whole = np.clip(np.ceil(real), low, high + 1).astype(np.int64)
        thresholds = np.ascontiguousarray(np.broadcast_to(whole, (rows, whole.shape[1])))
        name, offset = _attribute(node, "outputDataType"), int(_attribute(node, "ActVal"))
        if name == "BIPOLAR" or (name == "BINARY" and self._meets_xnor(node.output[0])):
            return BIPOLAR, 0, thresholds
        if (
            offset == -1
            and thresholds.shape[1] == 2
            and np.all(thresholds[:, 0] == thresholds[:, 1])
        ):
            return BIPOLAR, 0, thresholds[:, :1].copy()
        return _datatype(name), offset, thresholds

    def _meets_xnor(self, tensor: str) -> bool:
        """Whether the next MVAU behind `tensor` is one of XNOR."""
        while readers := self.model.find_consumers(tensor) or []:
            if readers[0].op_type == "MVAU":
                return bool(_attribute(readers[0], "binaryXnorMode"))
            tensor = readers[0].output[0]
        return False

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
        self.at = edge.id


def _sums_streams(model: Any, node: Any) -> bool:
    """Whether `node` adds two streams, and not constants to one."""
    constants = [model.get_initializer(name) for name in node.input]
    return node.op_type == "ElementwiseAdd" and all(value is None for value in constants)


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
