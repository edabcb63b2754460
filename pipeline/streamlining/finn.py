"""Runs FINN's own transformations, from QONNX to its dataflow graph, without a vendor tool.

Import this only in a separate process: FINN changes settings of the whole interpreter.
"""

from __future__ import annotations

import os
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from onnx import TensorProto, helper

from pipeline.errors import PipelineError
from pipeline.qonnx.support import require_supported
from pipeline.streamlining.exact import float64_constants, in_float32, in_float64
from pipeline.streamlining.tail import Tail, append_arg_max, take_tail
from specs.input import InputSpec


def bootstrap(work: Path) -> None:
    """Makes FINN's builder importable, with its settings in `work`.

    finn.builder raises an error on import if XILINX_VIVADO is not set, because it imports SimEngine
    from finn.xsi. Streamlining never uses SimEngine, so an empty class replaces it.
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
class Dataflow:
    """FINN's graph as a qonnx ModelWrapper, and the network's end that is not in it.

    Its output is the accumulators of the last layer, or their arg-max for `output = "label"`.
    """

    model: Any
    tail: Tail


def to_dataflow(
    qonnx: Path, contract: InputSpec, work: Path, output: Literal["label", "logits"] = "label"
) -> Dataflow:
    """The network as FINN's dataflow graph, before specialisation and bit-width minimisation.

    qonnx: a file with a float input [1, C, H, W] or [1, F]. The result takes the accelerator's
    integers (the contract's datatype). Call `bootstrap` first.

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
        require_supported(model, "the network")
        joins = _joins(model)
        with float64_constants():
            model = _prepared(steps, config, model, contract)
            model = (_streamline_joins if joins else steps.step_streamline)(model, config)
            scale, bias = take_tail(model)
            in_float32(model)
        labels = np.arange(len(scale))
        if output == "label":
            labels = append_arg_max(model, scale, bias)
        model = model.transform(SpellBipolarAsTernary())
        model = steps.step_convert_to_hw(model, config)
        # names of tensors that FINN adds are drawn at random
        for transformation in (SortGraph, GiveUniqueNodeNames, GiveReadableTensorNames):
            model = model.transform(transformation())
        return Dataflow(_channels_last(_require_hardware(model)), Tail(scale, bias, labels))
    except PipelineError:
        raise
    except FINNUserError as error:
        raise PipelineError(
            f"FINN cannot turn this network into hardware layers: {error}"
        ) from None
    except Exception as error:  # noqa: BLE001 - FINN asserts what it takes for granted
        traceback.print_exc()
        raise PipelineError(
            "FINN fails on this network, because it does not support its structure: "
            f"{type(error).__name__}: {error}; the whole traceback is in the stage's log"
        ) from None


def _joins(model: Any) -> bool:
    """Whether two streams are added somewhere."""
    return any(
        all(model.get_initializer(name) is None for name in node.input)
        for node in model.get_nodes_by_op_type("Add")
    )


def _streamline_joins(model: Any, config: Any) -> Any:
    """Streamlines a network with branches, by FINN's steps for residual networks."""
    from finn.builder.custom_step_library import resnet  # noqa: PLC0415

    return resnet.step_resnet_streamline(resnet.step_resnet_tidy(model, config), config)


def _prepared(steps: Any, config: Any, model: Any, contract: InputSpec) -> Any:
    """The model with its preprocessing, so that it takes the contract's integers."""
    from finn.transformation.qonnx.convert_qonnx_to_finn import (  # noqa: PLC0415
        ConvertQONNXtoFINN,
    )
    from qonnx.core.datatype import DataType  # noqa: PLC0415
    from qonnx.transformation.merge_onnx_models import MergeONNXModels  # noqa: PLC0415
    from qonnx.util.cleanup import cleanup_model  # noqa: PLC0415

    _flatten_by_reshape(model)
    model = model.transform(ConvertQONNXtoFINN())
    in_float64(model)
    model = steps.step_tidy_up(model, config)
    if (before := preprocessing(contract)) is not None:
        model = model.transform(MergeONNXModels(cleanup_model(before)))
    model.set_tensor_datatype(model.graph.input[0].name, DataType[contract.dtype])
    return steps.step_tidy_up(model, config)


def _flatten_by_reshape(model: Any) -> None:
    """Replaces every Flatten by a Reshape; for a flattened input FINN knows only that."""
    for node in model.get_nodes_by_op_type("Flatten"):
        shape = np.array(model.get_tensor_shape(node.output[0]), np.int64)
        name = f"{node.output[0]}_shape"
        model.set_initializer(name, shape)
        node.op_type = "Reshape"
        node.input.append(name)
        del node.attribute[:]


def _require_hardware(model: Any) -> Any:
    left = [
        f"{node.name} ({node.op_type}, output {model.get_tensor_shape(node.output[0])})"
        for node in model.graph.node
        if not node.domain.startswith("finn.custom_op.fpgadataflow") and not _begins(model, node)
    ]
    if left:
        raise PipelineError(
            "streamlining left operators that cannot become hardware: " + ", ".join(left)
        )
    return model


def _channels_last(model: Any) -> Any:
    """Removes the transpose to [1, H, W, C] at the beginning of a convolutional network.

    The accelerator's input is NHWC already.
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
    """ONNX model of (value * scale - mean) / std, the meaning of an integer input.

    For [1, C, H, W], or [1, F] for a feature vector. None if the value is the integer itself.
    """
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415
    from qonnx.util.basic import qonnx_make_model  # noqa: PLC0415

    *size, channels = contract.shape
    shape = [1, channels, *size]
    steps: list[tuple[str, Any]] = [("Mul", contract.scale)] if contract.scale != 1 else []
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
        constant = np.asarray(value, np.float32)
        model.set_initializer(
            f"c{i}", constant.reshape(-1, *[1] * len(size)) if constant.ndim else constant
        )
    return model


def execute(model: Any, images: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Every tensor of FINN's own execution, image by image, since its graphs have batch size 1.

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
