"""Brings a cleaned QONNX model into the form that FINN can streamline. No value changes.

Exporters write the same network in different ways. In this form channels come first, and each
unsigned quantiser follows a ReLU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.gemm_to_matmul import GemmToMatMul
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.cleanup import cleanup_model

from pipeline.errors import PipelineError
from pipeline.qonnx.edit import QUANTISERS, attributes, bypass, set_attributes

_LAYOUT_FREE = (*QUANTISERS, "Relu", "Mul", "Div", "Add", "Sub", "Identity")


def normalised(model: Any, layout: str | None) -> Any:
    """A copy of the network with channels first and only operators that FINN knows."""
    model = ModelWrapper(model.model, make_deepcopy=True)
    model = cleanup_model(model.transform(GemmToMatMul()))  # this also folds transposed weights
    if len(model.get_tensor_shape(model.graph.input[0].name)) == 4:
        if layout == "NHWC":
            _channels_first(model)
        _flatten_channels_first(model)
    _quantise_before_pooling(model)
    _relu_before_unsigned(model)
    _end_flat(model)
    return cleanup_model(model.transform(InferShapes()))


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


def _flatten_channels_first(model: Any) -> None:
    """Flattens channels-last maps as channels-first ones, and reorders the weights that follow."""
    for node in [*model.get_nodes_by_op_type("Transpose")]:
        if attributes(node).get("perm") != [0, 2, 3, 1]:
            continue
        readers = model.find_consumers(node.output[0]) or []
        if len(readers) != 1 or readers[0].op_type not in ("Reshape", "Flatten"):
            continue
        at, product = readers[0].output[0], None
        while (behind := model.find_consumers(at) or []) and len(behind) == 1:
            if behind[0].op_type == "MatMul":
                product = behind[0]
                break
            if behind[0].op_type not in _LAYOUT_FREE or not _scalar(model, behind[0]):
                break
            at = behind[0].output[0]
        if product is None:
            continue
        name = product.input[1]
        if (quantiser := model.find_producer(name)) is not None:
            if quantiser.op_type == "Quant" and not _scalar_scale(model, quantiser):
                continue
            name = quantiser.input[0]
        weights = model.get_initializer(name)
        _, height, width, channels = model.get_tensor_shape(node.output[0])
        order = np.arange(height * width * channels).reshape(height, width, channels)
        model.set_initializer(name, weights[order.transpose(2, 0, 1).reshape(-1)])
        bypass(model, node)


def _scalar_scale(model: Any, quantiser: Any) -> bool:
    """Whether the quantiser's scale is one number, or one for each output."""
    scale = model.get_initializer(quantiser.input[1])
    return scale is not None and (scale.size == 1 or scale.shape[0] == 1)


def _quantise_before_pooling(model: Any) -> None:
    """Moves max-pools behind the ReLU and quantiser that follow them, which keep the order."""
    while True:
        for pool in model.get_nodes_by_op_type("MaxPool"):
            readers = model.find_consumers(pool.output[0]) or []
            if len(readers) != 1 or readers[0].op_type not in ("Relu", *QUANTISERS):
                continue
            node = readers[0]
            before, between, after = pool.input[0], pool.output[0], node.output[0]
            model.set_tensor_shape(between, model.get_tensor_shape(before))
            node.input[0], node.output[0] = before, between
            pool.input[0], pool.output[0] = between, after
            order = [*model.graph.node]
            order[order.index(pool)], order[order.index(node)] = node, pool
            del model.graph.node[:]
            model.graph.node.extend(order)
            break
        else:
            return


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


def _relu_before_unsigned(model: Any) -> None:
    """Puts a ReLU in front of each unsigned quantiser, and makes quantisers after a ReLU unsigned.

    FINN converts a ReLU and its quantiser together. Each of them clips negative values by itself,
    so that this changes no value.
    """
    for node in [*model.get_nodes_by_op_type("Quant")]:
        if model.get_initializer(node.input[0]) is not None:
            continue
        found = attributes(node)
        before = model.find_producer(node.input[0])
        after_relu = before is not None and before.op_type == "Relu"
        if after_relu and found.get("signed", 1):
            bits = model.get_initializer(node.input[3])
            if bits.item() > 1:
                own = f"{node.output[0]}_bits"
                model.set_initializer(own, bits - 1)
                node.input[3] = own
                set_attributes(node, signed=0, narrow=0)
        elif not after_relu and not found.get("signed", 1) and before is not None:
            made = f"{node.output[0]}_relu"
            shape = model.get_tensor_shape(node.input[0])
            model.graph.value_info.append(
                helper.make_tensor_value_info(made, TensorProto.FLOAT, shape)
            )
            relu = helper.make_node("Relu", [node.input[0]], [made])
            model.graph.node.insert([*model.graph.node].index(node), relu)
            node.input[0] = made
