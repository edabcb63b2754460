"""Cleans a QONNX model of any exporter: folds constants and writes out default attributes."""

from __future__ import annotations

import traceback
from typing import Any

from onnx import helper
from qonnx.util.cleanup import cleanup_model

from pipeline.errors import PipelineError
from pipeline.qonnx.edit import attributes, bypass, end_at, set_attributes
from pipeline.qonnx.support import TAIL


def clean(model: Any) -> Any:
    """Folds constants, names all nodes and writes out all attributes.

    model: as `description.read` rebuilt it.
    """
    for node in model.get_nodes_by_op_type("IntQuant"):
        node.op_type = "Quant"
    try:
        model = cleanup_model(model)
        _fill_attributes(model)
        _fold_pads(model)
    except Exception as error:  # noqa: BLE001 - onnx and its run time raise anything for a bad file
        traceback.print_exc()
        raise PipelineError(f"the ONNX model is not consistent: {error}") from None
    for node in [*model.get_nodes_by_op_type("Dropout"), *model.get_nodes_by_op_type("Identity")]:
        bypass(model, node)
    return model


def without_tail(model: Any) -> tuple[Any, list[str]]:
    """Removes the operators that follow the scores; returns the model and their names."""
    dropped: list[str] = []
    while True:
        node = model.find_producer(model.graph.output[0].name)
        if node is None:
            raise PipelineError("the ONNX model has no operator that computes a score")
        reshapes = dropped and node.op_type in ("Cast", "Squeeze")
        if not reshapes and not _keeps_order(model, node):
            return model, dropped[::-1]
        for output in node.output[1:]:  # the second output of TopK
            if model.find_consumers(output):
                return model, dropped[::-1]
        while len(model.graph.output) > 1:
            model.graph.output.pop()
        dropped.append(node.name)
        model.graph.node.remove(node)
        end_at(model, node.input[0])


def _keeps_order(model: Any, node: Any) -> bool:
    """Whether `node`, at the end, selects the same class as the greatest of its inputs."""
    found = attributes(node)
    rank = len(model.get_tensor_shape(node.input[0]))
    if node.op_type == "Sigmoid":
        return True
    default = 0 if node.op_type == "ArgMax" else -1
    last = found.get("axis", default) in (-1, rank - 1)
    first = not found.get("select_last_index", 0)
    return node.op_type in TAIL and last and first and bool(found.get("largest", 1))


def _fill_attributes(model: Any) -> None:
    """Writes ONNX' defaults into convolutions and pools, since FINN reads only attributes."""
    for node in model.graph.node:
        if node.op_type not in ("Conv", "MaxPool", "AveragePool"):
            continue
        found = attributes(node)
        source = model.get_tensor_shape(node.input[0])[2:]
        if "kernel_shape" not in found:
            found["kernel_shape"] = model.get_tensor_shape(node.input[1])[2:]
        kernel = found["kernel_shape"]
        ones = [1] * len(kernel)
        defaults: dict[str, Any] = {"strides": ones, "pads": [0] * (2 * len(kernel))}
        if node.op_type == "Conv":
            defaults |= {"group": 1, "dilations": ones}
        found = defaults | found
        auto = found.pop("auto_pad", b"NOTSET").decode()
        if auto.startswith("SAME"):
            found["pads"] = _same_pads(source, kernel, found["strides"], auto == "SAME_UPPER")
        del node.attribute[:]
        node.attribute.extend(helper.make_attribute(*entry) for entry in found.items())


def _fold_pads(model: Any) -> None:
    """Moves the zeros of a Pad in front of a convolution into the convolution's own padding."""
    for node in [*model.get_nodes_by_op_type("Pad")]:
        found = attributes(node)
        value = model.get_initializer(node.input[2]) if len(node.input) > 2 else None
        pads = found.get("pads")
        if pads is None and len(node.input) > 1:
            pads = model.get_initializer(node.input[1])
        readers = model.find_consumers(node.output[0]) or []
        if (
            found.get("mode", b"constant") != b"constant"
            or found.get("value", 0) != 0
            or (value is not None and value.any())
            or pads is None
            or len(pads) != 8
            or any(pads[i] for i in (0, 1, 4, 5))
            or [reader.op_type for reader in readers] != ["Conv"]
        ):
            continue
        own = attributes(readers[0])["pads"]
        around = [*pads[2:4], *pads[6:8]]
        set_attributes(readers[0], pads=[int(a + b) for a, b in zip(own, around, strict=True)])
        bypass(model, node)


def _same_pads(source: list[int], kernel: list[int], strides: list[int], upper: bool) -> list[int]:
    """The padding of auto_pad = SAME_UPPER or SAME_LOWER as ONNX defines it: begins, then ends."""
    least, most = [], []
    for size, window, stride in zip(source, kernel, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + window - size)
        least.append(total // 2)
        most.append(total - total // 2)
    return [*least, *most] if upper else [*most, *least]
