"""Compares network and hardware graph quantiser by quantiser, for images that rounding sets apart.

An accumulator may fall exactly between two levels, or so close that the last bit of float32
decides. That is a whole step, and later layers carry it to the scores. So each quantiser is judged
from equal inputs: the network continues from the reference's value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.data.inputs import planes
from pipeline.errors import VerificationError
from pipeline.export.verify import TOLERANCE, batched, blocks, unsanitised
from pipeline.hardware import reference
from pipeline.qonnx.edit import where
from pipeline.streamlining.graph import Streamlined
from pipeline.streamlining.values import Affine, Value

_BLOCK = 20
_LAST_BIT = 1e-6
"""How much a quantised value may differ if it is the same level, relative to the greatest."""


def logits_along(
    streamlined: Streamlined, model: Any, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores [N, classes] of the network with the reference's activations.

    With them comes how many activations differed, [N], and how many lie on a border, [N]: the last
    bits of float32 decide these, and they depend on how many images are computed at a time.
    images: prepared, [N, *shape]. VerificationError unless each of the reference's activations is
    what the network's own quantiser gives for some input within TOLERANCE of its own.
    """
    graph = streamlined.graph
    block = min(_BLOCK, len(images))
    network = batched(model, block)
    source, target = network.graph.input[0].name, network.graph.output[0].name
    found, differing, near = [], [], []
    wanted = {value.edge for value in streamlined.quantised.values()}
    with unsanitised():
        start = network.make_empty_exec_context()
        for _, part, count in blocks(images, block):
            ours = reference.run(graph, part, wanted)
            context = {**start, source: planes(part, graph.input)}
            counts, borders = np.zeros(block, np.int64), np.zeros(block, np.int64)
            for node in network.graph.node:
                _execute(network, node, context)
                value = streamlined.quantised.get(node.output[0])
                if value is None:
                    continue
                theirs, values = context[node.output[0]], context[node.input[0]]
                last_bits = np.float32(_LAST_BIT * np.abs(values).max())
                ends = _moved(network, node, context, last_bits)
                borders += (ends[0] != ends[1]).reshape(block, -1).sum(axis=1)
                real = _real(value, ours[value.edge], theirs.shape)
                apart = np.abs(real - theirs) > _LAST_BIT * np.abs(real).max()
                if apart.any():
                    _require_tie(network, node, context, real, apart)
                    counts += apart.reshape(block, -1).sum(axis=1)
                context[node.output[0]] = real
            found.append(context[target].reshape(block, -1)[:count])
            differing.append(counts[:count])
            near.append(borders[:count])
    return np.concatenate(found), np.concatenate(differing), np.concatenate(near)


def _execute(network: Any, node: Any, context: dict[str, Any]) -> None:
    from qonnx.core.onnx_exec import execute_node  # noqa: PLC0415

    opset = network.get_opset_imports().get(node.domain, 1)
    execute_node(node, context, network.graph, opset)


def _moved(network: Any, node: Any, context: dict[str, Any], slack: Any) -> list[np.ndarray]:
    """What a quantiser makes of its inputs less `slack`, and of its inputs and `slack`."""
    source, made = node.input[0], []
    for moved in (context[source] - slack, context[source] + slack):
        alone = {**context, source: moved}
        _execute(network, node, alone)
        made.append(alone[node.output[0]])
    return made


def _real(value: Value, integers: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The real values, float32 in the network's own layout, of a stream [N, *edge.shape]."""
    real = integers.astype(np.float64)
    for op in value.ops:
        assert isinstance(op, Affine), "a quantiser's integers have a scale, and perhaps a shift"
        real = real * op.factor + op.shift
    if value.order is not None:
        flat = np.empty((len(real), real[0].size))
        flat[:, value.order] = real.reshape(len(real), -1)
        real = flat
    elif len(value.shape) == 3:
        real = real.reshape(len(real), *value.shape)
        if not value.channels_last:
            real = np.moveaxis(real, -1, 1)
    return real.reshape(shape).astype(np.float32)


def _require_tie(
    network: Any, node: Any, context: dict[str, Any], ours: np.ndarray, apart: np.ndarray
) -> None:
    """VerificationError unless inputs within TOLERANCE would make the quantiser give `ours`."""
    values, target = context[node.input[0]], node.output[0]
    slack = (TOLERANCE * np.maximum(1.0, np.abs(values))).astype(np.float32)
    bounds = _moved(network, node, context, slack)
    last_bit = _LAST_BIT * np.abs(ours).max()
    wrong = apart & ~((bounds[0] - last_bit <= ours) & (ours <= bounds[1] + last_bit))
    if wrong.any():
        place = [int(index) for index in np.argwhere(wrong)[0]]
        first = tuple(place)
        raise VerificationError(
            f"streamline: {where(node)}: the hardware graph and the exported network differ in "
            f"{int(wrong.sum()):,} of {ours.size:,} values, more than rounding explains; the first "
            f"is {place[1:]} of an image:\n"
            f"  network:        {context[target][first]:.6g} of {values[first]:.6g}\n"
            f"  hardware graph: {ours[first]:.6g}\n"
            f"  allowed:        what the network makes of inputs within {TOLERANCE:g}"
        )
