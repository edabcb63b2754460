"""Streamlining: turns a QONNX network into the hardware graph. Exact, and without FINN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import LabelSelect
from pipeline.hardware.post import Post
from pipeline.streamlining.finish import Finish
from pipeline.streamlining.operators import HANDLERS
from pipeline.streamlining.tail import Tail, tail_of
from pipeline.streamlining.tracker import Tracker
from pipeline.streamlining.values import Value
from specs.input import InputSpec
from specs.network import Output


@dataclass(frozen=True, eq=False)
class Streamlined:
    """The hardware graph of a network.

    quantised: for each activation quantiser of the network, by the name of its output tensor, its
    value with `edge` being an edge of the graph.
    """

    graph: HardwareGraph
    tail: Tail
    quantised: dict[str, Value]


def hardware_graph(model: Any, name: str, contract: InputSpec, output: Output) -> Streamlined:
    """The hardware graph of a QONNX network.

    model: a cleaned qonnx ModelWrapper with a float input [1, C, H, W] or [1, F], whose operators
    `qonnx.support` takes. contract: what the integers at the input mean. Raises PipelineError that
    names the node that has no hardware layer, and what would work.
    """
    tracker = Tracker(model, contract)
    value = tracker.run(HANDLERS)
    if not tracker.raw.layers:
        raise PipelineError("the network has no operator that becomes a hardware layer")
    tail = tail_of(tracker.raw, value, output)
    finished = Finish(tracker.raw)
    post = Post()
    if not isinstance(finished.layers[-1], LabelSelect):
        post = Post("logits", tuple(tail.scale.tolist()), tuple(tail.bias.tolist()))
    graph = HardwareGraph(name, contract, finished.edges, tuple(finished.layers), post)
    graph.check()
    quantised = {
        tensor: tracker.values[tensor].on(finished.names[tracker.values[tensor].edge])
        for tensor in tracker.quantised
        if tracker.values[tensor].edge in finished.names
    }
    return Streamlined(graph, tail, quantised)
