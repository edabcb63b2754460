"""Gives a cleaned QONNX model an input with channels first and one vector of scores as its output.

No value changes.
"""

from __future__ import annotations

from typing import Any

from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

from pipeline.errors import PipelineError
from pipeline.qonnx.edit import QUANTISERS, attributes, bypass

_LAYOUT_FREE = (*QUANTISERS, "Relu", "Mul", "Div", "Add", "Sub", "Identity")


def normalised(model: Any, layout: str | None) -> Any:
    """A copy of the network that takes [1, C, H, W] or [1, F] and gives scores [1, classes].

    layout: that of the file's images.
    """
    model = ModelWrapper(model.model, make_deepcopy=True)
    if layout == "NHWC" and len(model.get_tensor_shape(model.graph.input[0].name)) == 4:
        _channels_first(model)
    _end_flat(model)
    return model.transform(InferShapes())


def _channels_first(model: Any) -> None:
    """Turns the input of a network from channels-last to channels-first images.

    If the network has a transpose to channels-first after only elementwise operators, that is
    removed. Otherwise a transpose is added.
    """
    at = model.graph.input[0].name
    before = [at]
    while True:
        readers = model.find_consumers(at) or []
        node = readers[0] if len(readers) == 1 else None
        if node is not None and node.op_type == "Transpose":
            if attributes(node).get("perm") == [0, 3, 1, 2]:
                break
            node = None
        if node is None or node.op_type not in _LAYOUT_FREE or not _scalar(model, node):
            _transpose_input(model)
            return
        at = node.output[0]
        before.append(at)
    for name in before:
        count, height, width, channels = model.get_tensor_shape(name)
        model.set_tensor_shape(name, [count, channels, height, width])
    bypass(model, node)


def _scalar(model: Any, node: Any) -> bool:
    """Whether all constants of the node are single numbers."""
    constants = [model.get_initializer(name) for name in node.input]
    return all(value is None or value.size == 1 for value in constants)


def _transpose_input(model: Any) -> None:
    """Turns the input to channels-first images by a new transpose in front of the network."""
    source = model.graph.input[0]
    name = source.name
    count, height, width, channels = model.get_tensor_shape(name)
    for reader in model.graph.node:
        reader.input[:] = ["channels_last" if x == name else x for x in reader.input]
    model.set_tensor_shape(name, [count, channels, height, width])
    made = helper.make_tensor_value_info(
        "channels_last", TensorProto.FLOAT, [count, height, width, channels]
    )
    model.graph.value_info.append(made)
    transpose = helper.make_node("Transpose", [name], ["channels_last"], perm=[0, 2, 3, 1])
    model.graph.node.insert(0, transpose)


def _end_flat(model: Any) -> None:
    """Flattens the scores [1, C, 1, 1] of a network of convolutions only."""
    name = model.graph.output[0].name
    shape = model.get_tensor_shape(name)
    if len(shape) != 4:
        return
    if shape[2:] != [1, 1]:
        raise PipelineError(
            f"the network ends with a map of {shape[2]}x{shape[3]} scores for each class; one "
            "score a class is supported: end with a pool or a dense layer"
        )
    value = helper.make_tensor_value_info("flat_scores", TensorProto.FLOAT, shape[:2])
    model.graph.value_info.append(model.graph.output[0])
    model.graph.output.pop()
    model.graph.output.append(value)
    model.graph.node.append(helper.make_node("Flatten", [name], ["flat_scores"]))
