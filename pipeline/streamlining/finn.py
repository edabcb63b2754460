"""FINN's own transformations, from QONNX to its dataflow graph, without a vendor tool.

Import this only in a process of its own: FINN rewires settings of the whole interpreter.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from pipeline.errors import PipelineError
from specs.network import InputSpec

BIAS_ROUNDING = 1e-4
"""Relative: a float32 bias divided by a product of float32 scales is an integer up to that."""


TIE = 2.0**-36
"""Of a quantiser's step: more than float64 loses while FINN moves scales and shifts into a
threshold, and less than any accumulator tells apart."""


def bootstrap(work: Path) -> None:
    """Makes FINN's builder importable: its settings in `work`, and no XSI simulator behind it.

    finn.builder raises on import where no XILINX_VIVADO is set, because it imports SimEngine from
    finn.xsi; streamlining never uses it.
    """
    os.environ["FINN_BUILD_DIR"] = str(work)
    os.environ["FINN_SETTINGS"] = str(work / "settings.yaml")
    os.environ["FINN_DEPS"] = str(work / "deps")
    # FINN's check of every tensor between nodes costs up to 90 % of an execution
    os.environ["SANITIZE_QUANT_TENSORS"] = "0"
    warnings.filterwarnings("ignore", module="(qonnx|finn|brevitas)")
    import finn.xsi  # noqa: PLC0415
    from finn.interface.settings import FINNSettings  # noqa: PLC0415
    from finn.util import settings  # noqa: PLC0415 - after the environment is set

    settings._SETTINGS = FINNSettings.init(
        override_settings_path=work / "settings.yaml",
        flow_config=work / "flow.yaml",
        auto_set_environment_vars=False,
    )
    finn.xsi.SimEngine = type("SimEngine", (), {})


@dataclass(frozen=True, eq=False)
class Tail:
    """What software or an arg-max makes of the last accumulators.

    scale, bias: float64 [classes]; a score of the network is accumulator * scale + bias. labels:
    class of each accumulator in FINN's graph, int64 [classes].
    """

    scale: np.ndarray
    bias: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataflow:
    """FINN's graph as a qonnx ModelWrapper, and what comes behind it.

    Its output is the accumulators of the last layer, or for `output = "label"` their arg-max.
    """

    model: Any
    tail: Tail


def to_dataflow(
    qonnx: Path, contract: InputSpec, work: Path, output: Literal["label", "logits"] = "label"
) -> Dataflow:
    """The network as FINN's dataflow graph, before specialisation and bit-width minimisation.

    qonnx: input [1, C, H, W] or [1, F] float. The result takes the accelerator's integers (input
    datatype of the contract). Needs `bootstrap` first.

    Raises PipelineError naming every node that FINN could not turn into a hardware layer.
    """
    from finn.builder import build_dataflow_steps as steps  # noqa: PLC0415
    from finn.builder.build_dataflow_config import (  # noqa: PLC0415
        DataflowBuildConfig,
        ShellFlowType,
    )
    from finn.util.exception import FINNUserError  # noqa: PLC0415
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415
    from qonnx.transformation.general import (  # noqa: PLC0415
        GiveReadableTensorNames,
        GiveUniqueNodeNames,
        SortGraph,
    )
    from qonnx.util.cleanup import cleanup_model  # noqa: PLC0415

    from pipeline.streamlining.bipolar import SpellBipolarAsTernary  # noqa: PLC0415

    # the board is needed by name only: nothing before specialisation depends on it
    config = DataflowBuildConfig(
        output_dir=str(work / "out"),
        synth_clk_period_ns=10.0,
        generate_outputs=[],
        standalone_thresholds=True,
        shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
        board="Pynq-Z1",
    )
    try:
        model = cleanup_model(ModelWrapper(str(qonnx)))
        joins = _joins(model)
        with float64_constants():
            model = _prepared(steps, config, model, contract)
            model = (_streamline_joins if joins else steps.step_streamline)(model, config)
            scale, bias = take_tail(model)
            _in_float32(model)
        labels = np.arange(len(scale))
        if output == "label":
            labels = append_arg_max(model, scale, bias)
        model = model.transform(SpellBipolarAsTernary())
        model = steps.step_convert_to_hw(model, config)
        # names of tensors that FINN adds are drawn at random
        for transformation in (SortGraph, GiveUniqueNodeNames, GiveReadableTensorNames):
            model = model.transform(transformation())
        return Dataflow(_channels_last(_require_hardware(model)), Tail(scale, bias, labels))
    except FINNUserError as error:
        raise PipelineError(
            f"FINN cannot turn this network into hardware layers: {error}"
        ) from None


def _joins(model: Any) -> bool:
    """Whether two streams are added somewhere."""
    return any(
        all(model.get_initializer(name) is None for name in node.input)
        for node in model.get_nodes_by_op_type("Add")
    )


def _streamline_joins(model: Any, config: Any) -> Any:
    """A network whose ways part and meet again at a sum, by FINN's steps for residual networks."""
    from finn.builder.custom_step_library import resnet  # noqa: PLC0415

    return resnet.step_resnet_streamline(resnet.step_resnet_tidy(model, config), config)


def take_tail(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Takes scales and shifts off the end of `model`: they are software's, or an arg-max's.

    Returns scale and bias, float64 [classes]: an output was x * scale + bias of what it is now.
    """
    output = model.graph.output[0]
    classes = model.get_tensor_shape(output.name)[-1]
    scale, bias = np.ones(classes), np.zeros(classes)
    name = output.name
    while (node := model.find_producer(name)) is not None and node.op_type in _AFFINE:
        constants = [model.get_initializer(tensor) for tensor in node.input]
        given = [index for index, constant in enumerate(constants) if constant is not None]
        if len(given) != 1 or (node.op_type in ("Sub", "Div") and given != [1]):
            break
        value = np.broadcast_to(np.float64(constants[given[0]]).reshape(-1), (classes,))
        if node.op_type == "Mul":
            scale = scale * value
        elif node.op_type == "Div":
            scale = scale / value
        else:  # of the value that later nodes scale
            bias = bias + scale * (value if node.op_type == "Add" else -value)
        name = node.input[1 - given[0]]
        model.graph.node.remove(node)
    if name != output.name:
        _end_at(model, name)
    return scale, bias


_AFFINE = ("Mul", "Div", "Add", "Sub")


def _end_at(model: Any, tensor: str) -> None:
    """Makes `tensor` the output of the graph."""
    value = model.get_tensor_valueinfo(tensor)
    dtype = model.get_tensor_datatype(tensor)
    model.graph.output.pop()
    model.graph.output.append(value)
    if value in model.graph.value_info:
        model.graph.value_info.remove(value)
    model.set_tensor_datatype(tensor, dtype)


def append_arg_max(model: Any, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Ends `model` with the index of the greatest x * scale + bias of its outputs x [1, classes].

    Exact on integers x: with a common scale the order is that of x + b, b = bias / scale, and so
    of x + floor(b), equal ones by the fractions of b. The classes are put in the falling order of
    their fractions, since of equal ones the first wins. Returns the class of each output, int64
    [classes]. PipelineError: there is no common positive scale, or one class alone.
    """
    from qonnx.transformation.infer_datatypes import InferDataTypes  # noqa: PLC0415
    from qonnx.transformation.insert_topk import InsertTopK  # noqa: PLC0415

    if len(scale) < 2:
        raise PipelineError(
            'output = "label": the network has a single output, of which no class is the greatest; '
            'use output = "logits"'
        )
    if scale.min() <= 0 or np.ptp(scale) > BIAS_ROUNDING * scale.max():
        raise PipelineError(
            'output = "label": the last layer scales its classes by different or negative factors '
            f"({scale.min():.4g} to {scale.max():.4g}), which no arg-max of integers sees; use "
            'output = "logits", or one positive scale for the weights of the last layer'
        )
    shifts = (bias - bias.min()) / scale
    whole = np.rint(shifts)
    order = np.arange(len(scale))
    if np.any(np.abs(shifts - whole) > BIAS_ROUNDING * np.maximum(1, np.abs(whole))):
        whole = np.floor(shifts)
        order = np.argsort(whole - shifts, kind="stable")
        _reorder_outputs(model, order)
    if whole.any():
        _append_shift(model, whole[order].astype(np.float32))
    scores = model.graph.output[0].name
    model.transform(InsertTopK(k=1), make_deepcopy=False)
    model.set_tensor_shape(scores, [1, len(scale)])  # which InsertTopK drops
    model.transform(InferDataTypes(), make_deepcopy=False)
    return order


def _reorder_outputs(model: Any, order: np.ndarray) -> None:
    product = model.find_producer(model.graph.output[0].name)
    weights = None if product is None else model.get_initializer(product.input[1])
    if product is None or product.op_type != "MatMul" or weights is None:
        what = "nothing" if product is None else f"{product.name} ({product.op_type})"
        raise PipelineError(
            f'output = "label": a bias that is no multiple of the scale stands behind {what}, no '
            'dense layer; use output = "logits"'
        )
    model.set_initializer(product.input[1], weights[:, order])


def _append_shift(model: Any, shift: np.ndarray) -> None:
    """Adds integers [classes] to the outputs."""
    from qonnx.core.datatype import DataType  # noqa: PLC0415

    before = model.graph.output[0]
    after = helper.make_tensor_value_info(
        "shifted", TensorProto.FLOAT, model.get_tensor_shape(before.name)
    )
    model.graph.value_info.append(before)
    model.graph.output.pop()
    model.graph.output.append(after)
    model.graph.node.append(helper.make_node("Add", [before.name, "shift"], [after.name]))
    model.set_initializer("shift", shift)
    model.set_tensor_datatype("shift", DataType["INT32"])


def _prepared(steps: Any, config: Any, model: Any, contract: InputSpec) -> Any:
    """With its preprocessing, on the contract's integers."""
    from finn.transformation.qonnx.convert_qonnx_to_finn import (  # noqa: PLC0415
        ConvertQONNXtoFINN,
    )
    from qonnx.core.datatype import DataType  # noqa: PLC0415
    from qonnx.transformation.merge_onnx_models import MergeONNXModels  # noqa: PLC0415
    from qonnx.util.cleanup import cleanup_model  # noqa: PLC0415

    model = model.transform(ConvertQONNXtoFINN())
    _in_float64(model)
    model = steps.step_tidy_up(model, config)
    if (before := preprocessing(contract)) is not None:
        model = model.transform(MergeONNXModels(cleanup_model(before)))
    model.set_tensor_datatype(model.graph.input[0].name, DataType[contract.dtype])
    return steps.step_tidy_up(model, config)


@contextmanager
def float64_constants() -> Iterator[None]:
    """Lets float64 constants stand where ONNX' type inference wants float32: it sees those."""
    from qonnx.transformation import infer_shapes  # noqa: PLC0415

    before = infer_shapes.si

    def infer(model: ModelProto) -> ModelProto:
        exact = {x.name for x in model.graph.initializer if x.data_type == TensorProto.DOUBLE}
        _retype(model, exact, TensorProto.FLOAT)
        _note_as_float32(model.graph)
        found: ModelProto = before.infer_shapes(model)
        for changed in (model, found):
            _retype(changed, exact, TensorProto.DOUBLE)
        return found

    infer_shapes.si = SimpleNamespace(infer_shapes=infer)
    try:
        yield
    finally:
        infer_shapes.si = before


def _note_as_float32(graph: Any) -> None:
    """Of the types of tensors, which qonnx notes of constants too."""
    for value in (*graph.value_info, *graph.input, *graph.output):
        if value.type.tensor_type.elem_type == TensorProto.DOUBLE:
            value.type.tensor_type.elem_type = TensorProto.FLOAT


def _retype(model: ModelProto, names: Collection[str], kind: int) -> None:
    for constant in model.graph.initializer:
        if constant.name in names:
            constant.data_type = kind


def _in_float64(model: Any) -> None:
    """Gives float constants, and the thresholds that FINN made of quantisers, their exact values.

    In float32 the scales and shifts that streamlining moves into a threshold leave it some 1e-7 of
    its size away, which is the wrong side of an integer now and then. A quantiser rounds to even:
    in the middle below an even level that level is reached, below an odd one it is not yet. FINN
    rounds up in both; so odd levels begin just above the middle, even ones just below.
    """
    from qonnx.custom_op.registry import getCustomOp  # noqa: PLC0415

    for constant in model.graph.initializer:
        if constant.data_type == TensorProto.FLOAT:
            exact = numpy_helper.to_array(constant).astype(np.float64)
            constant.CopyFrom(numpy_helper.from_array(exact, constant.name))
    for node in model.get_nodes_by_op_type("MultiThreshold"):
        if getCustomOp(node).get_nodeattr("out_dtype") == "BIPOLAR":
            continue
        # MultiThreshold, for signed ones Add of the least level, then Mul by the scale
        least, behind = 0.0, model.find_consumers(node.output[0])[0]
        if behind.op_type == "Add":
            least = model.get_initializer(behind.input[1]).item()
            behind = model.find_consumers(behind.output[0])[0]
        scale = model.get_initializer(behind.input[1]) if behind.op_type == "Mul" else None
        rough = model.get_initializer(node.input[1])
        levels = least + 1 + np.arange(rough.shape[1])
        odd_above = np.where(levels % 2 == 1, TIE, -TIE)
        step = np.ones(1) if scale is None else np.asarray(scale, np.float64)
        exact = step.reshape(-1, 1) * (levels - 0.5 + odd_above)
        if not np.allclose(exact, rough, rtol=1e-5, atol=1e-5 * np.abs(rough).max()):
            raise PipelineError(f"{node.name}: its thresholds are not those of a quantiser")
        model.set_initializer(node.input[1], np.array(np.broadcast_to(exact, rough.shape)))


def _in_float32(model: Any) -> None:
    """Rounds thresholds up to integers, where FINN left them to be, and all constants to float32.

    x >= t is x >= ceil(t) for the integers that thresholds are compared with.
    """
    for node in model.get_nodes_by_op_type("MultiThreshold"):
        if model.get_tensor_datatype(node.input[0]).is_integer():
            thresholds = np.ceil(model.get_initializer(node.input[1]))
            model.set_initializer(node.input[1], thresholds)
    for constant in model.graph.initializer:
        if constant.data_type == TensorProto.DOUBLE:
            rounded = numpy_helper.to_array(constant).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(rounded, constant.name))
    _note_as_float32(model.graph)


def _require_hardware(model: Any) -> Any:
    left = [
        f"{node.name} ({node.op_type}, output {model.get_tensor_shape(node.output[0])})"
        for node in model.graph.node
        if not node.domain.startswith("finn.custom_op.fpgadataflow") and not _begins(model, node)
    ]
    if left:
        raise PipelineError(
            "streamlining left operators that no hardware layer stands for: " + ", ".join(left)
        )
    return model


def _channels_last(model: Any) -> Any:
    """Without the transpose to [1, H, W, C] that begins a network of convolutions.

    The accelerator's input is NHWC: software hands it over so.
    """
    first = model.graph.node[0]
    if _begins(model, first):
        dtype = model.get_tensor_datatype(first.input[0])
        value = model.get_tensor_valueinfo(first.output[0])
        model.graph.node.remove(first)
        model.graph.input.pop()
        model.graph.input.append(value)
        model.graph.value_info.remove(value)
        model.set_tensor_datatype(value.name, dtype)
    return model


def _begins(model: Any, node: Any) -> bool:
    """Whether `node` is that transpose."""
    return bool(node.op_type == "Transpose" and node.input[0] == model.graph.input[0].name)


def preprocessing(contract: InputSpec) -> Any:
    """ONNX model of (value * scale - mean) / std: what an integer input means to the network.

    On [1, C, H, W], or [1, F] for a feature vector. None: just itself.
    """
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415
    from qonnx.util.basic import qonnx_make_model  # noqa: PLC0415

    *size, channels = contract.shape
    shape = [1, channels, *size]
    steps = [("Mul", contract.scale)] if contract.scale != 1 else []
    if contract.mean:
        steps.append(("Sub", contract.mean))
    if contract.std != 1:
        steps.append(("Div", contract.std))
    if not steps:
        return None
    names = [f"x{i}" for i in range(len(steps) + 1)]
    graph = helper.make_graph(
        [
            helper.make_node(operator, [names[i], f"c{i}"], [names[i + 1]])
            for i, (operator, _) in enumerate(steps)
        ],
        "preprocessing",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, shape)],
    )
    model = ModelWrapper(qonnx_make_model(graph, producer_name="pipeline"))
    for i, (_, value) in enumerate(steps):
        model.set_initializer(f"c{i}", np.asarray(value, np.float32))
    return model


def execute(model: Any, images: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Every tensor of FINN's own execution, image by image (its graphs have batch 1).

    images: integers [N, H, W, C].
    """
    from qonnx.core.onnx_exec import execute_onnx  # noqa: PLC0415

    name = model.graph.input[0].name
    if tuple(model.get_tensor_shape(name))[1:] != images.shape[1:]:
        images = images.transpose(0, 3, 1, 2)
    return [
        execute_onnx(model, {name: image[None].astype(np.float32)}, return_full_exec_context=True)
        for image in images
    ]
