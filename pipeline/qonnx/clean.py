"""Cleans a QONNX model of any exporter: one form for files and for our own modules."""

from __future__ import annotations

import traceback
from typing import Any

import numpy as np
from onnx import helper
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.general import (
    GiveReadableTensorNames,
    GiveUniqueNodeNames,
    GiveUniqueParameterTensors,
    RemoveStaticGraphInputs,
    RemoveUnusedTensors,
)
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.transformation.quant_constant_folding import FoldTransposeIntoQuantInit

from pipeline.errors import PipelineError
from pipeline.qonnx.edit import attributes, bypass, end_at, note_origin, set_attributes
from pipeline.qonnx.support import TAIL


def clean(model: Any) -> Any:
    """The network with folded constants, unique names and written-out attributes.

    No value changes. Zeros of a Pad become padding of the convolution behind it.
    model: a qonnx ModelWrapper, as `description.read` rebuilt it or as our exporter made it.
    PipelineError: ONNX or qonnx cannot do one of these steps.
    """
    note_origin(model)
    _read_once(model)
    for node in model.graph.node:
        if node.op_type == "IntQuant":
            node.op_type = "Quant"
        if node.op_type in ("Quant", "BipolarQuant", "Trunc"):
            node.domain = "qonnx.custom_op.general"
    steps: tuple[Any, ...] = (
        InferShapes(),
        GiveUniqueParameterTensors(),
        # qonnx' own cleanup folds FloatQuant, and weights of minifloats would lose their format
        FoldConstants(exclude_op_types=["Quant", "BipolarQuant", "FloatQuant"]),
        FoldTransposeIntoQuantInit(),
        RemoveUnusedTensors(),
        RemoveStaticGraphInputs(),
        GiveUniqueNodeNames(),
        GiveReadableTensorNames(),
    )
    for step in steps:
        try:
            model = model.transform(step)
        except Exception as error:  # noqa: BLE001 - onnx and its run time raise anything
            traceback.print_exc()
            raise PipelineError(
                f"the ONNX model is not consistent: qonnx' step {type(step).__name__} fails: "
                f"{error}; the whole traceback is in the stage's log"
            ) from None
    _fill_attributes(model)
    _fold_pads(model)
    for node in [*model.get_nodes_by_op_type("Dropout"), *model.get_nodes_by_op_type("Identity")]:
        if not _drops(model, node):
            bypass(model, node)
    return model


def _read_once(model: Any) -> None:
    """Lets a node that reads a tensor twice (x + x) read it once: qonnx renames only the first."""
    for node in [*model.graph.node]:
        for at, name in enumerate(node.input):
            if name and name in node.input[:at]:
                copy = f"{node.output[0]}_input{at}"
                number = [*model.graph.node].index(node)
                model.graph.node.insert(number, helper.make_node("Identity", [name], [copy]))
                node.input[at] = copy


def _drops(model: Any, node: Any) -> bool:
    """Whether a Dropout was exported in training mode."""
    mode = model.get_initializer(node.input[2]) if len(node.input) > 2 else None
    return mode is not None and bool(np.any(mode))


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
        value = _optional(model, node, 2)
        readers = model.find_consumers(node.output[0]) or []
        around = _pads(model, node)
        if (
            found.get("mode", b"constant") != b"constant"
            or found.get("value", 0) != 0
            or (value is not None and value.any())
            or around is None
            or not readers
            or any(reader.op_type != "Conv" for reader in readers)
        ):
            continue
        for reader in readers:
            own = attributes(reader)["pads"]
            pads = [int(a + b) for a, b in zip(own, around, strict=True)]
            set_attributes(reader, pads=pads)
        bypass(model, node)


def _optional(model: Any, node: Any, place: int) -> Any:
    """A constant that the node may have as an input; None if it has none."""
    name = node.input[place] if len(node.input) > place else ""
    return model.get_initializer(name) if name else None


def _pads(model: Any, node: Any) -> list[int] | None:
    """How much a Pad adds above, left, below and right of images; None if it does anything else."""
    pads, axes = attributes(node).get("pads"), _optional(model, node, 3)
    if pads is None:
        pads = _optional(model, node, 1)
    rank = len(model.get_tensor_shape(node.input[0]))
    if pads is None or rank != 4:
        return None
    places = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    if len(pads) != 2 * len(places):
        return None
    before, after = [0] * rank, [0] * rank
    for place, least, most in zip(places, pads, pads[len(places) :], strict=False):
        before[place], after[place] = int(least), int(most)
    around = [*before[2:], *after[2:]]
    return None if any((*before[:2], *after[:2])) or min(around) < 0 else around


def _same_pads(source: list[int], kernel: list[int], strides: list[int], upper: bool) -> list[int]:
    """The padding of auto_pad = SAME_UPPER or SAME_LOWER as ONNX defines it: begins, then ends."""
    least, most = [], []
    for size, window, stride in zip(source, kernel, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + window - size)
        least.append(total // 2)
        most.append(total - total // 2)
    return [*least, *most] if upper else [*most, *least]
