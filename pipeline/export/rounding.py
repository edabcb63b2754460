"""Compares QONNX with Brevitas quantiser by quantiser, for images that rounding sets apart.

The last bits of a sum of scaled numbers depend on the order of summation. With many values and fine
quantisers, a value is now and then so close to the border between two levels that Brevitas and
QONNX choose different ones. That is a whole step, and later layers carry it to the logits. So each
quantiser is compared by itself, and QONNX continues from Brevitas' value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from brevitas.proxy.runtime_quant import ActQuantProxyFromInjectorBase
from brevitas.quant_tensor import QuantTensor
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_node
from torch import nn

from pipeline.errors import VerificationError
from pipeline.export.verify import TOLERANCE, batched, blocks, unsanitised
from pipeline.job import progress

_QUANTISERS = ("BipolarQuant", "FloatQuant", "Quant")
_LAST_BIT = 1e-6
"""How much a quantised value may differ if Brevitas and QONNX choose the same level, relative to
it."""


def execute_along(
    model: nn.Module, graph: ModelWrapper, images: np.ndarray, block: int
) -> tuple[np.ndarray, int]:
    """Outputs [N, classes] of a QONNX graph with Brevitas' activations, and how many differed.

    images: [N, C, H, W]. Raises VerificationError unless each of Brevitas' activations is what
    QONNX' own quantiser gives for some input within TOLERANCE of its own.
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
    """The output of each activation quantiser, in the order of computation."""
    found: list[np.ndarray] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        found.append((output.value if isinstance(output, QuantTensor) else output).numpy())

    hooks = [
        module.register_forward_hook(keep)
        for module in model.modules()
        if isinstance(module, ActQuantProxyFromInjectorBase) and module.is_quant_enabled
    ]
    try:
        with torch.no_grad():
            model(torch.from_numpy(images))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _take_nearest(theirs: list[np.ndarray], ours: np.ndarray, name: str) -> np.ndarray:
    """Removes Brevitas' values for a QONNX quantiser from the list, and returns them.

    It takes the most similar ones: the two compute the branches of a block in different orders and
    have no names in common.
    """
    alike = [i for i, values in enumerate(theirs) if values.shape == ours.shape]
    if not alike:
        raise VerificationError(
            f"Brevitas has no quantiser of {list(ours.shape)} for QONNX' {name}"
        )
    return theirs.pop(min(alike, key=lambda i: float(np.abs(theirs[i] - ours).mean())))


def _apart(graph: ModelWrapper, node: Any, context: dict[str, Any], theirs: np.ndarray) -> Any:
    """Mask of the values in which QONNX' and Brevitas' quantisers differ, by rounding alone."""
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
