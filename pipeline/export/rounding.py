"""QONNX beside Brevitas where both round: equal at every quantiser, from the same values on.

Sums of numbers with a scale have last bits that depend on the order of summation. Of many and fine
values of a quantiser now and then one lies so near to the border between two that Brevitas and
QONNX take different ones: a whole step apart, which later layers carry to the logits. So each
quantiser is judged by itself, and QONNX goes on from Brevitas' value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from brevitas.nn import QuantIdentity, QuantReLU
from brevitas.quant_tensor import QuantTensor
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_node
from torch import nn

from pipeline.errors import VerificationError
from pipeline.export.verify import TOLERANCE, batched, blocks, unsanitised
from pipeline.job import progress

_QUANTISERS = ("BipolarQuant", "FloatQuant", "Quant")
_LAST_BIT = 1e-6
"""Of a quantised value: what Brevitas and QONNX may differ in where they take the same step."""


def execute_along(
    model: nn.Module, graph: ModelWrapper, images: np.ndarray, block: int
) -> tuple[np.ndarray, int]:
    """Outputs [N, classes] of a QONNX graph whose activations are Brevitas', and how many differed.

    images: [N, C, H, W]. Raises VerificationError unless Brevitas' value of every activation is
    what QONNX' own quantiser makes of an input within TOLERANCE of its own.
    """
    graph = batched(graph, block)
    source, target = graph.graph.input[0].name, graph.graph.output[0].name
    with unsanitised():
        start = graph.make_empty_exec_context()
        found, differing = [], 0
        for first, part, count in blocks(images, block):
            progress(
                f"following Brevitas, {first:,} of {len(images):,} images", first / len(images)
            )
            theirs = _activations(model, part)
            context = {**start, source: part}
            for node in graph.graph.node:
                execute_node(node, context, graph.graph, _opset(graph, node))
                if node.op_type in _QUANTISERS:
                    value = _take_nearest(theirs, context[node.output[0]], node.name)
                    differing += int(_apart(graph, node, context, value)[:count].sum())
                    context[node.output[0]] = value
            if theirs:
                raise VerificationError(
                    f"Brevitas has {len(theirs)} quantisers of activations that QONNX lacks"
                )
            found.append(context[target][:count])
    return np.concatenate(found), differing


def _opset(graph: ModelWrapper, node: Any) -> int:
    version: int = graph.get_opset_imports().get(node.domain, 1)
    return version


def _activations(model: nn.Module, images: np.ndarray) -> list[np.ndarray]:
    """What each quantiser of activations gives, in the order of computing."""
    found: list[np.ndarray] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        found.append((output.value if isinstance(output, QuantTensor) else output).numpy())

    hooks = [
        module.register_forward_hook(keep)
        for module in model.modules()
        if isinstance(module, QuantIdentity | QuantReLU)
    ]
    try:
        with torch.no_grad():
            model(torch.from_numpy(images))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _take_nearest(theirs: list[np.ndarray], ours: np.ndarray, name: str) -> np.ndarray:
    """Takes Brevitas' values of a QONNX quantiser out of the list.

    The two compute the branches of a block in different orders, and no name is common to both.
    """
    alike = [i for i, values in enumerate(theirs) if values.shape == ours.shape]
    if not alike:
        raise VerificationError(
            f"Brevitas has no quantiser of {list(ours.shape)} for QONNX' {name}"
        )
    return theirs.pop(min(alike, key=lambda i: float(np.abs(theirs[i] - ours).mean())))


def _apart(graph: ModelWrapper, node: Any, context: dict[str, Any], theirs: np.ndarray) -> Any:
    """Mask of the values in which a QONNX quantiser and Brevitas' differ, by rounding alone."""
    source, target = node.input[0], node.output[0]
    ours = context[target]
    # "not near" and not "far": a NaN differs too
    apart = ~(np.abs(ours - theirs) <= _LAST_BIT * np.abs(theirs))
    if apart.any():
        values, wanted = context[source][apart], theirs[apart]
        slack = TOLERANCE * np.maximum(1.0, np.abs(values)).astype(np.float32)
        bounds = []
        for moved in (values - slack, values + slack):
            alone = {**context, source: moved}
            execute_node(node, alone, graph.graph, _opset(graph, node))
            bounds.append(alone[target])
        last_bit = _LAST_BIT * np.abs(wanted)
        wrong = ~((bounds[0] - last_bit <= wanted) & (wanted <= bounds[1] + last_bit))
        if wrong.any():
            place = np.argwhere(apart)[wrong.argmax()]
            raise VerificationError(
                f"QONNX and Brevitas disagree at quantiser {node.name} in {int(wrong.sum()):,} of "
                f"{ours.size:,} values, more than rounding explains; the first is {place.tolist()}"
                f" (image, channel, row, column):\n"
                f"  Brevitas: {wanted[wrong][0]:.6g}\n"
                f"  QONNX:    {ours[apart][wrong][0]:.6g} of {values[wrong][0]:.6g}\n"
                f"  allowed:  what QONNX makes of inputs within {TOLERANCE:g}"
            )
    return apart
