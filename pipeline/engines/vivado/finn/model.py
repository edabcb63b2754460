"""FINN's graph under our fold: its attributes, its FIFOs, and the layer each node belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.engines.vivado.finn.config import Attributes
from pipeline.engines.vivado.finn.fifos import LEAST
from pipeline.engines.vivado.finn.layers import reshape_lanes
from pipeline.errors import PipelineError
from pipeline.hardware.graph import HardwareGraph
from pipeline.streamlining.finn import DOMAIN

ADDED = ("StreamingFIFO", "StreamingDataWidthConverter")
"""The nodes that FINN puts between layers."""


def configured(model: Any, config: Mapping[str, Attributes]) -> Any:
    """The model under a configuration that covers each of its nodes.

    A Reshape, which is wires only, gets the lanes of what reads it. Raises PipelineError if FINN
    has no hardware for a node, or a node or a name of the configuration is left over.
    """
    from finn.transformation.general import ApplyConfig  # noqa: PLC0415

    lacks = [node.name for node in model.graph.node if node.domain != DOMAIN]
    if lacks:
        raise PipelineError(
            f"hardware=finn: FINN has no hardware for {', '.join(lacks)}; hardware=rtl has"
        )
    names = {node.name for node in model.graph.node if node.op_type != "Reshape"}
    if names != set(config):
        both = ", ".join(sorted(names ^ set(config)))
        raise PipelineError(
            f"hardware=finn: FINN's graph and the folding name different nodes: {both}; run the "
            "stage streamline again"
        )
    model = model.transform(ApplyConfig({"Defaults": {}, **config}))
    for node in reversed(model.graph.node):
        if node.op_type == "Reshape":
            _fold_reshape(model, node)
    return model


def _fold_reshape(model: Any, node: Any) -> None:
    from qonnx.custom_op.registry import getCustomOp  # noqa: PLC0415

    inst = getCustomOp(node)
    readers = model.find_consumers(node.output[0]) or []
    wanted = getCustomOp(readers[0]).get_folded_input_shape()[-1] if readers else 1
    first, last = (inst.get_nodeattr(name)[-1] for name in ("inp_shape", "out_shape"))
    inst.set_nodeattr("PE", reshape_lanes(first, last, wanted))


def owners(finn_names: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """By name of a node before specialisation: its layer."""
    return {name: layer for layer, names in finn_names.items() for name in names}


def renamed(names: Mapping[str, str], before: Any, after: Any) -> dict[str, str]:
    """`names` for the nodes that those of `before` have become, in the same order."""
    old, new = (
        [n for n in x.graph.node if not n.op_type.startswith(ADDED)] for x in (before, after)
    )
    if [_kind(node) for node in old] != [_kind(node) for node in new]:
        raise PipelineError(
            "hardware=finn: FINN changed the order of its nodes; please report this"
        )
    return {b.name: names[a.name] for a, b in zip(old, new, strict=True) if a.name in names}


def with_depths(
    model: Any,
    names: Mapping[str, str],
    graph: HardwareGraph,
    depths: Mapping[str, int],
) -> None:
    """Gives the nodes at the ends of layers the depths of the FIFOs behind them.

    The network's input and output have short ones, for the DMAs.

    names: the layer of each node. depths: by edge, in beats of the node that writes it.
    """
    from qonnx.custom_op.registry import getCustomOp  # noqa: PLC0415

    readers = {name: layer.id for layer in graph.layers for name in layer.inputs}
    edges = {
        (layer.id, readers[name]): name
        for layer in graph.layers
        for name in layer.outputs
        if name in readers
    }
    for node in model.graph.node:
        found = [2] * len(node.output)
        for number, tensor in enumerate(node.output):
            reader = model.find_consumer(tensor)
            while reader is not None and reader.op_type.startswith("Reshape"):
                reader = model.find_consumer(reader.output[0])
            if reader is not None and node.name in names and reader.name in names:
                edge = edges.get((names[node.name], names[reader.name]), "")
                found[number] = depths.get(edge, 2)
            elif reader is None:
                found[number] = LEAST
        inst = getCustomOp(node)
        inst.set_nodeattr("outFIFODepths", found)
        if node.input[0] == model.graph.input[0].name:
            inst.set_nodeattr("inFIFODepths", [LEAST] * len(inst.get_nodeattr("inFIFODepths")))


def _kind(node: Any) -> str:
    return str(node.op_type).removesuffix("_hls").removesuffix("_rtl")
