"""Turns FINN's dataflow graph into our hardware graph: logical integers, structural names.

It reads FINN's graph before its bit-width minimisation. That would turn BIPOLAR weights into INT2,
size the accumulators of XNOR layers from the wrong range (for MW = 784 as INT10, though the
popcount reaches 784), and clip thresholds accordingly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Add, Edge, Fork, LabelSelect
from pipeline.hardware.post import Post
from pipeline.streamlining.builder import Builder
from pipeline.streamlining.finn import Dataflow
from pipeline.streamlining.layers import OPERATORS, take
from pipeline.streamlining.nodes import sums_streams
from pipeline.streamlining.tail import Tail
from specs.input import InputSpec


@dataclass(frozen=True)
class Extraction:
    """Our graph, and for each of its edges the FINN tensor that it stands for."""

    graph: HardwareGraph
    tensors: dict[str, str]
    reordered: dict[str, np.ndarray]
    """For edges on which the two orders differ: FINN's channel at each position of ours."""
    tail: Tail

    def in_stream_order(self, edge: str, values: np.ndarray) -> np.ndarray:
        """FINN's values [..., C] of an edge, in the channel order of our stream."""
        order = self.reordered.get(edge)
        return values if order is None else values[..., order]


def extract(dataflow: Dataflow, name: str, contract: InputSpec) -> Extraction:
    """Our hardware graph of FINN's dataflow graph.

    dataflow: before specialisation. It is a chain of hardware nodes and of blocks; a block is a
    fork whose two branches meet at a sum.

    Raises PipelineError naming every node that no hardware layer stands for.
    """
    model, tail = dataflow.model, dataflow.tail
    builder = Builder(model, contract, tail.labels)
    nodes = list(model.graph.node)
    unknown = [f"{node.name} ({node.op_type})" for node in nodes if node.op_type not in OPERATORS]
    if unknown:
        raise PipelineError(
            f"no hardware layer for: {', '.join(unknown)}; "
            f"supported: {', '.join(sorted(OPERATORS))}"
        )
    _walk(builder)
    post = Post()
    if not isinstance(builder.layers[-1], LabelSelect):
        post = Post("logits", tuple(tail.scale.tolist()), tuple(tail.bias.tolist()))
    graph = HardwareGraph(name, contract, builder.edges, tuple(builder.layers), post)
    graph.check()
    return Extraction(graph, builder.tensors, builder.reordered, tail)


def _walk(builder: Builder) -> None:
    """Takes all nodes, from the input to the output."""
    nodes, end = _way(builder, builder.model.graph.input[0].name)
    _take_all(builder, nodes)
    while end is not None:
        if end.op_type == "ElementwiseAdd":
            raise PipelineError(f"{end.name}: a sum of two streams that do not come from one fork")
        nodes, end = _way(builder, _block(builder, end))
        _take_all(builder, nodes)


def _way(builder: Builder, tensor: str) -> tuple[list[Any], Any | None]:
    """The nodes after `tensor` up to a fork or a sum, and that fork or sum."""
    nodes: list[Any] = []
    while True:
        readers = builder.model.find_consumers(tensor) or []
        if not readers:
            return nodes, None
        node = readers[0]
        if len(readers) > 1:
            raise PipelineError(
                f"{node.name} ({node.op_type}): it is not the only reader of {tensor}"
            )
        if node.op_type == "DuplicateStreams" or sums_streams(builder.model, node):
            return nodes, node
        nodes.append(node)
        tensor = node.output[0]


def _take_all(builder: Builder, nodes: list[Any]) -> None:
    while nodes:
        nodes = take(builder, nodes)


def _block(builder: Builder, fork: Any) -> str:
    """Takes a fork, its two branches and the sum at which they meet; returns the sum's tensor.

    The longer branch comes first. In each branch convolutions count from 0.
    """
    ways = [(tensor, *_way(builder, tensor)) for tensor in fork.output]
    ways.sort(key=lambda way: -len(way[1]))
    join = ways[0][2]
    if len(ways) != 2 or join is None or join.op_type != "ElementwiseAdd":
        raise PipelineError(f"{fork.name}: a fork whose branches are not two that meet at a sum")
    if ways[1][2] is not join:
        raise PipelineError(f"{fork.name}: its branches do not meet at {join.name}")
    name = f"block{builder.blocks}"
    source, names = builder.last, (f"{name}_long", f"{name}_short")
    builder.layers.append(Fork(f"{name}_fork", source.id, names[0], (fork.name,), names[1]))
    convolutions, ends = builder.convolutions, []
    for edge, prefix, (tensor, nodes, _) in zip(names, ("", "shortcut_"), ways, strict=True):
        builder.edges[edge] = Edge(edge, source.dtype, source.shape)
        builder.tensors[edge] = tensor
        builder.at, builder.convolutions = edge, 0
        builder.prefix = f"{name}_{prefix}"
        builder.quantiser = f"{builder.prefix}quant"
        _take_all(builder, nodes)
        ends.append(builder.last)
    builder.convolutions, builder.prefix, builder.quantiser = convolutions, "", f"{name}_sum_quant"
    builder.blocks += 1
    low, high = (sum(getattr(end.dtype, side) for end in ends) for side in ("min", "max"))
    builder.at = ends[0].id
    dtype = DataType.smallest(low, high)
    assert join is not None, "found above"
    builder.add(Add, f"{name}_sum", dtype, ends[0].shape, [join], other=ends[1].id)
    return str(join.output[0])
