"""FINN's own transformations, from QONNX to its dataflow graph, without a vendor tool.

Import this only in a process of its own: FINN rewires settings of the whole interpreter.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from pipeline.errors import PipelineError
from specs.network import InputSpec

BIAS_ROUNDING = 1e-4
"""Relative: a float32 bias divided by a product of float32 scales is an integer up to that."""


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


def to_dataflow(qonnx: Path, contract: InputSpec, work: Path) -> Any:
    """The network as FINN's dataflow graph, before specialisation and bit-width minimisation.

    qonnx: input [1, C, H, W] float. The result takes the accelerator's integers (input datatype
    of the contract) and gives the class. Needs `bootstrap` first.

    Raises PipelineError naming every node that FINN could not turn into a hardware layer.
    """
    from finn.builder import build_dataflow_steps as steps  # noqa: PLC0415
    from finn.builder.build_dataflow_config import (  # noqa: PLC0415
        DataflowBuildConfig,
        ShellFlowType,
    )
    from finn.util.exception import FINNUserError  # noqa: PLC0415
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415
    from qonnx.util.cleanup import cleanup_model  # noqa: PLC0415

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
        way = _streamline_joins if _joins(model) else _streamline
        return _channels_last(_require_hardware(way(steps, config, model, contract)))
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


def _streamline(steps: Any, config: Any, model: Any, contract: InputSpec) -> Any:
    """A chain of layers, by FINN's standard steps."""
    from pipeline.streamlining.bipolar import SpellBipolarAsTernary  # noqa: PLC0415

    model = _prepared(steps, config, model, contract)
    model = steps.step_streamline(model, config).transform(SpellBipolarAsTernary())
    return steps.step_convert_to_hw(model, config)


def _streamline_joins(steps: Any, config: Any, model: Any, contract: InputSpec) -> Any:
    """A network whose ways part and meet again at a sum, by FINN's steps for residual networks."""
    from finn.builder.custom_step_library import resnet  # noqa: PLC0415
    from finn.transformation.streamline.absorb import (  # noqa: PLC0415
        AbsorbScalarMulAddIntoTopK,
    )
    from finn.transformation.streamline.reorder import MoveMulPastAdd  # noqa: PLC0415
    from qonnx.transformation.general import (  # noqa: PLC0415
        GiveReadableTensorNames,
        GiveUniqueNodeNames,
        SortGraph,
    )

    model = _prepared(steps, config, model, contract)
    model = resnet.step_resnet_streamline(resnet.step_resnet_tidy(model, config), config)
    # the scale of the last layer is taken out of its sum with the bias, and dropped
    model = model.transform(MoveMulPastAdd()).transform(AbsorbScalarMulAddIntoTopK())
    _round_last_bias(model)
    model = steps.step_convert_to_hw(model, config)
    # names of padded and forked tensors are drawn at random
    for transformation in (SortGraph, GiveUniqueNodeNames, GiveReadableTensorNames):
        model = model.transform(transformation())
    return model


def _round_last_bias(model: Any) -> None:
    """What is added before the arg-max, as the integers that it was before floats were divided.

    Raises PipelineError if it is too far from them.
    """
    from qonnx.core.datatype import DataType  # noqa: PLC0415
    from qonnx.transformation.infer_datatypes import InferDataTypes  # noqa: PLC0415

    for top in model.get_nodes_by_op_type("TopK"):
        add = model.find_producer(top.input[0])
        if add is None or add.op_type != "Add":
            continue
        bias = model.get_initializer(add.input[1])
        whole = np.rint(bias)
        if np.any(np.abs(bias - whole) > BIAS_ROUNDING * np.maximum(1, np.abs(whole))):
            raise PipelineError(f"{add.name}: the last layer's bias is no multiple of its scale")
        model.set_initializer(add.input[1], whole.astype(np.float32))
        model.set_tensor_datatype(add.input[1], DataType["INT32"])
        model.transform(InferDataTypes(), make_deepcopy=False)


def _prepared(steps: Any, config: Any, model: Any, contract: InputSpec) -> Any:
    """With its preprocessing, on the contract's integers, with an arg-max at the end."""
    from finn.transformation.qonnx.convert_qonnx_to_finn import (  # noqa: PLC0415
        ConvertQONNXtoFINN,
    )
    from qonnx.core.datatype import DataType  # noqa: PLC0415
    from qonnx.transformation.insert_topk import InsertTopK  # noqa: PLC0415
    from qonnx.transformation.merge_onnx_models import MergeONNXModels  # noqa: PLC0415
    from qonnx.util.cleanup import cleanup_model  # noqa: PLC0415

    model = steps.step_tidy_up(model.transform(ConvertQONNXtoFINN()), config)
    model = model.transform(MergeONNXModels(cleanup_model(preprocessing(contract))))
    model.set_tensor_datatype(model.graph.input[0].name, DataType[contract.dtype])
    return steps.step_tidy_up(model.transform(InsertTopK(k=1)), config)


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
    """ONNX model of (value * scale - mean) / std on [1, C, H, W]: what an integer input means."""
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415
    from qonnx.util.basic import qonnx_make_model  # noqa: PLC0415

    height, width, channels = contract.shape
    shape = [1, channels, height, width]
    steps = [("Mul", contract.scale)]
    if contract.mean:
        steps.append(("Sub", contract.mean))
    if contract.std != 1:
        steps.append(("Div", contract.std))
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
