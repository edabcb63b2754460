"""The faster transformations give FINN's own graph, byte for byte."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference

from pipeline.export.stage import to_qonnx
from pipeline.hardware import graph as hardware
from pipeline.streamlining import finn, speed
from pipeline.streamlining.extract import extract
from specs.input import InputSpec
from tests.streamlining.test_streamlining import network

FILES = ("dataflow.onnx", "hardware.json", "hardware.npz")


@pytest.mark.parametrize("bits", [(1, 1, 1), (1, 2, 2), (2, 2, 2), (4, 4, 8)])
def test_the_files_are_finns_own(
    finn_work: Path, tmp_path: Path, bits: tuple[int, int, int]
) -> None:
    import torch

    contract = InputSpec(shape=(8, 7, 1))
    to_qonnx(network(bits, contract, (64, 40)), torch.rand(1, 1, 8, 7), tmp_path / "model.onnx")

    def write(folder: Path) -> list[bytes]:
        folder.mkdir()
        dataflow = finn.to_dataflow(tmp_path / "model.onnx", contract, folder)
        dataflow.model.save(str(folder / FILES[0]))
        hardware.save(extract(dataflow, "net", contract).graph, folder)
        return [(folder / name).read_bytes() for name in FILES]

    plain = write(tmp_path / "plain")
    with speed.whole_arrays():
        fast = write(tmp_path / "fast")
    assert fast == plain


def test_weights_are_asked_about_at_once_and_finn_is_itself_afterwards(finn_work: Path) -> None:
    from finn.transformation.streamline import absorb
    from qonnx.core.datatype import DataType
    from qonnx.transformation import infer_shapes

    before = absorb.np, infer_shapes.si
    calls = []

    def allowed(values: np.ndarray) -> np.ndarray:
        calls.append(values)
        return np.asarray(DataType["BIPOLAR"].allowed(values))

    weights = np.where(np.arange(12).reshape(3, 4) % 5, 1, -1)
    with speed.whole_arrays():
        assert absorb.np.vectorize(allowed)(weights).all()
        assert not absorb.np.vectorize(allowed)(weights * 2).any()
        assert absorb.np.sign is np.sign
    assert len(calls) == 2
    assert (absorb.np, infer_shapes.si) == before


def test_shape_inference_sees_small_constants_and_no_large_ones() -> None:
    weights = np.ones((speed.SHAPE_ELEMENTS + 1, 3), np.float32)
    target = np.array([1, -1], np.int64)
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["x", "target"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, len(weights)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(target, "target")],
    )
    model = helper.make_model(graph)
    expected = shape_inference.infer_shapes(model).SerializeToString()
    seen = []

    def infer(light: object) -> object:
        seen.extend(light.graph.initializer)  # type: ignore[attr-defined]
        return shape_inference.infer_shapes(light)  # type: ignore[arg-type]

    got = speed.without_weights(infer)(model)  # type: ignore[arg-type]
    assert got.SerializeToString() == expected
    assert [(t.name, bool(t.raw_data)) for t in seen] == [("weights", False), ("target", True)]
    assert [d.dim_value for d in got.graph.output[0].type.tensor_type.shape.dim] == [1, 3]
