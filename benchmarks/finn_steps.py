"""FINN's own way from QONNX to its dataflow graph, as a peer: its steps, unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from pipeline.engines.vivado.finn.builder import bootstrap
from specs.input import InputSpec

__all__ = ["bootstrap", "dataflow"]


def dataflow(qonnx: Path, contract: InputSpec, work: Path) -> Any:
    """FINN's graph of a network that takes the contract's integers and gives its class.

    qonnx: a file with a float input [1, C, H, W]. Call `bootstrap` first.
    """
    from finn.builder import build_dataflow_steps as steps  # noqa: PLC0415
    from finn.builder.build_dataflow_config import (  # noqa: PLC0415
        DataflowBuildConfig,
        ShellFlowType,
    )
    from finn.transformation.qonnx.convert_qonnx_to_finn import (  # noqa: PLC0415
        ConvertQONNXtoFINN,
    )
    from qonnx.core.datatype import DataType  # noqa: PLC0415
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415
    from qonnx.transformation.insert_topk import InsertTopK  # noqa: PLC0415
    from qonnx.transformation.merge_onnx_models import MergeONNXModels  # noqa: PLC0415
    from qonnx.util.cleanup import cleanup_model  # noqa: PLC0415

    config = DataflowBuildConfig(
        output_dir=str(work / "out"),
        synth_clk_period_ns=10.0,
        generate_outputs=[],
        standalone_thresholds=True,
        shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
        board="Pynq-Z1",
    )
    model = cleanup_model(ModelWrapper(str(qonnx))).transform(ConvertQONNXtoFINN())
    model = steps.step_tidy_up(model, config)
    model = model.transform(MergeONNXModels(_scaled(contract)))
    model.set_tensor_datatype(model.graph.input[0].name, DataType[contract.dtype])
    model = model.transform(InsertTopK(k=1))
    for step in (steps.step_tidy_up, steps.step_streamline, steps.step_convert_to_hw):
        model = step(model, config)
    return model


def _scaled(contract: InputSpec) -> Any:
    """The model of integer * scale for images [1, C, H, W]."""
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415
    from qonnx.util.basic import qonnx_make_model  # noqa: PLC0415
    from qonnx.util.cleanup import cleanup_model  # noqa: PLC0415

    *size, channels = contract.shape
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, *size])
        for name in ("integers", "values")
    ]
    nodes = [helper.make_node("Mul", ["integers", "scale"], ["values"])]
    model = ModelWrapper(qonnx_make_model(helper.make_graph(nodes, "scaled", ends[:1], ends[1:])))
    model.set_initializer("scale", np.asarray(contract.scale, np.float32))
    return cleanup_model(model)
