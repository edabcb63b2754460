"""FINN sizes accumulators of XNOR layers from the wrong range; the hardware graph does not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper

from benchmarks import finn_steps
from pipeline.hardware import reference
from pipeline.hardware.layers import Mvau
from pipeline.qonnx.clean import clean
from pipeline.qonnx.description import read
from pipeline.streamlining.graph import hardware_graph
from specs.input import InputSpec
from tests.export import qonnx_files

MW, THRESHOLD, AGREE = 784, 600, 560


def xnor_layer(weights: np.ndarray) -> Any:
    """FINN's dataflow graph of one XNOR MVAU with a threshold of 600, and an arg-max behind it."""
    from onnx import TensorProto, helper
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.basic import qonnx_make_model

    hardware: dict[str, Any] = {
        "domain": "finn.custom_op.fpgadataflow",
        "backend": "fpgadataflow",
        "PE": 1,
    }
    nodes = [
        helper.make_node(
            "MVAU",
            ["x", "w"],
            ["acc"],
            name="MVAU_0",
            MW=MW,
            MH=1,
            SIMD=1,
            inputDataType="BINARY",
            weightDataType="BINARY",
            outputDataType="UINT32",
            binaryXnorMode=1,
            noActivation=1,
            numInputVectors=[1],
            **hardware,
        ),
        helper.make_node(
            "Thresholding",
            ["acc", "t"],
            ["y"],
            name="Thresholding_0",
            NumChannels=1,
            numSteps=1,
            ActVal=0,
            inputDataType="UINT32",
            weightDataType="FLOAT32",
            outputDataType="BINARY",
            numInputVectors=[1],
            **hardware,
        ),
    ]
    ends = (
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, MW])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
    )
    model = ModelWrapper(qonnx_make_model(helper.make_graph(nodes, "xnor", *ends)))
    model.set_initializer("w", ((weights + 1) // 2).T.astype(np.float32))
    model.set_initializer("t", np.array([[THRESHOLD]], np.float32))
    model.set_tensor_shape("acc", [1, 1])
    for name, dtype in (("x", "BINARY"), ("w", "BINARY"), ("t", "UINT32"), ("y", "BINARY")):
        model.set_tensor_datatype(name, DataType[dtype])
    model.set_tensor_datatype("acc", DataType["UINT32"])
    return model


@pytest.fixture
def weights() -> np.ndarray:
    return np.repeat([[1, -1]], MW // 2, axis=1).reshape(1, MW)


@pytest.fixture
def x(weights: np.ndarray) -> np.ndarray:
    """An input that agrees with the weights in 560 places: below the threshold."""
    agreeing = weights.copy()
    agreeing[0, AGREE:] *= -1
    return agreeing


def test_finn_flips_the_output_after_its_bit_width_minimisation(
    finn_work: Path, weights: np.ndarray, x: np.ndarray
) -> None:
    finn_steps.bootstrap(finn_work)
    from finn.builder.build_dataflow_config import DataflowBuildConfig, ShellFlowType
    from finn.builder.build_dataflow_steps import step_minimize_bit_width_initial
    from qonnx.core.onnx_exec import execute_onnx

    config = DataflowBuildConfig(
        output_dir=str(finn_work),
        synth_clk_period_ns=10.0,
        generate_outputs=[],
        shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
        board="Pynq-Z1",
    )
    model = xnor_layer(weights)
    bits = {"x": ((x + 1) // 2).astype(np.float32)}
    assert execute_onnx(model, bits)["y"] == 0
    minimised = step_minimize_bit_width_initial(model, config)
    assert minimised.get_tensor_datatype("acc").name == "INT10"
    assert minimised.get_initializer("t").max() < THRESHOLD, "the threshold was clipped"
    assert execute_onnx(minimised, bits)["y"] == 1, "fixed upstream: say so and drop this test"


def test_ours_does_not(weights: np.ndarray, x: np.ndarray, tmp_path: Path) -> None:
    g = qonnx_files.Graph()
    bits = g.bipolar(g.op("Sub", "input", g.const(np.float32(127.5))))
    product = g.op("MatMul", bits, g.bipolar(g.const(weights.T.astype(np.float32))))
    # a popcount of 600 is a sum of 2 * 600 - 784
    scores = g.bipolar(g.op("Sub", product, g.const(np.float32(2 * THRESHOLD - MW))))
    path = g.save(tmp_path / "xnor.onnx", ("input", [1, MW]), scores, 1)
    model = clean(ModelWrapper(read(path).model))
    graph = hardware_graph(model, "xnor", InputSpec(shape=(MW,), scale=1.0), "logits").graph
    layer = next(layer for layer in graph.layers if isinstance(layer, Mvau))
    assert layer.accumulator.name == "UINT10"
    assert layer.accumulator.max >= MW
    assert layer.thresholds is not None
    assert layer.thresholds.tolist() == [[THRESHOLD]]
    streams = reference.run(graph, np.where(x > 0, 255, 0))
    assert reference.accumulate(
        layer, graph.edges[layer.input].dtype, streams[layer.input]
    ).tolist() == [[AGREE]]
    assert streams[layer.output].tolist() == [[-1]]
    agreeing = reference.run(graph, np.where(weights > 0, 255, 0))
    assert agreeing[layer.output].tolist() == [[1]], "784 of 784 agree"
