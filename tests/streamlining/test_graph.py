"""What networks become: the order of layers, signs, ends; and what is refused, with the remedy."""

from pathlib import Path

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper

from pipeline.errors import PipelineError
from pipeline.export.verify import execute
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Mvau, Threshold
from pipeline.qonnx.clean import clean
from pipeline.qonnx.description import read
from pipeline.streamlining.graph import hardware_graph
from specs.input import InputSpec
from specs.network import Output
from tests.export.qonnx_files import Graph


def graph_of(
    path: Path, shape: tuple[int, ...], output: Output = "logits", **contract: object
) -> HardwareGraph:
    model = clean(ModelWrapper(read(path).model))
    spec = InputSpec.model_validate({"shape": shape, "scale": 1.0, **contract})
    return hardware_graph(model, "net", spec, output).graph


def pooled(g: Graph, gamma: list[float], *, sign: bool = False) -> str:
    """A convolution of 4 channels over 6x6, a max-pool, a batch norm and a quantiser."""
    x = g.op("Conv", "x", g.weights(4, 1, 3, 3), kernel_shape=[3, 3])
    x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    rest = [g.const(np.full(4, value, np.float32)) for value in (1, 3, 9)]
    x = g.op("BatchNormalization", x, g.const(np.array(gamma, np.float32)), *rest)
    x = g.bipolar(x) if sign else g.quant(g.op("Relu", x), 2, 0.5, signed=0)
    return g.op("MatMul", g.op("Flatten", x), g.weights(16, 3))


def test_a_pool_stands_behind_the_quantiser_that_follows_it(tmp_path: Path) -> None:
    """So the pool takes few bits, and the thresholds are part of the convolution's MVAU."""
    g = Graph()
    path = g.save(tmp_path / "a.onnx", ("x", [1, 1, 6, 6]), pooled(g, [1, 2, 3, 4]), 3)
    graph = graph_of(path, (6, 6, 1))
    assert [layer.id for layer in graph.layers] == ["conv0_swg", "conv0", "pool0", "fc0"]
    assert graph.edges["conv0_out"].dtype.name == "UINT2"


def test_a_pool_that_two_read_is_one_layer(tmp_path: Path) -> None:
    g = Graph()
    x = g.quant(g.op("Conv", "x", g.weights(4, 1, 3, 3), kernel_shape=[3, 3]), 4, 4.0)
    x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    long = g.quant(g.op("Conv", x, g.weights(4, 4, 1, 1), kernel_shape=[1, 1]), 4, 4.0)
    x = g.op("Flatten", g.quant(g.op("Add", long, x), 4, 8.0))
    path = g.save(tmp_path / "a.onnx", ("x", [1, 1, 6, 6]), g.op("MatMul", x, g.weights(16, 3)), 3)
    ids = [layer.id for layer in graph_of(path, (6, 6, 1)).layers]
    assert ids[:4] == ["conv0_swg", "conv0", "pool0", "block0_fork"]
    assert "pool1" not in ids


def test_behind_a_pool_a_negative_factor_makes_levels_that_fall(tmp_path: Path) -> None:
    g = Graph()
    path = g.save(tmp_path / "a.onnx", ("x", [1, 1, 6, 6]), pooled(g, [1, -2, 3, -4]), 3)
    graph = graph_of(path, (6, 6, 1))
    ids = [layer.id for layer in graph.layers]
    assert ids == ["conv0_swg", "conv0", "pool0", "pool0_quant", "fc0"]
    quantiser = graph.layer("pool0_quant")
    assert isinstance(quantiser, Threshold)
    assert quantiser.falling is not None
    assert quantiser.falling.tolist() == [False, True, False, True]


@pytest.mark.parametrize(("first", "step"), [("input", 2.0), ("quantiser", 6.0), ("sign", 1.0)])
def test_a_negative_factor_before_a_pool_turns_the_values_round(
    tmp_path: Path, first: str, step: float
) -> None:
    """Behind a product its weights do that; here thresholds at all values do."""
    g = Graph()
    x = "x"
    if first != "input":
        x = g.op("Conv", "x", g.weights(2, 2, 2, 2), kernel_shape=[2, 2])
        x = g.op("Sub", x, g.const(np.array([[[-12]], [[12]]], np.float32)))
        x = g.quant(x, 3, 3.0) if first == "quantiser" else g.bipolar(x)
    x = g.op("Mul", x, g.const(np.array([-2, 1], np.float32).reshape(1, 2, 1, 1)))
    x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.op("Mul", x, g.const(np.array([1, -1], np.float32).reshape(1, 2, 1, 1)))
    x = g.op("Flatten", g.quant(x, 3, step))
    path = g.save(tmp_path / "a.onnx", ("x", [1, 2, 5, 5]), g.op("MatMul", x, g.weights(8, 3)), 3)
    graph = graph_of(path, (5, 5, 2), dtype="UINT3")
    images = np.random.default_rng(0).integers(0, 8, (50, 5, 5, 2)).astype(np.uint8)
    model = clean(ModelWrapper(read(path).model))
    expected = execute(model, images.transpose(0, 3, 1, 2).astype(np.float32), 25)
    found = reference.run(graph, images)[graph.sink.id] * np.array(graph.post.scale)
    assert np.allclose(found, expected)
    assert len(np.unique(expected, axis=0)) > 3


def test_a_negative_factor_of_a_product_turns_its_weights(tmp_path: Path) -> None:
    """Where the least weight has no opposite, the weights get one more bit."""
    for least, bits in ((-3, 3), (-4, 4)):
        g = Graph()
        values = np.array([[1, 3], [least, 2]], np.float32)
        x = g.op("MatMul", "x", g.quant(g.const(values), 3, 1.0))
        x = g.op("Mul", x, g.const(np.array([-1, 1], np.float32)))
        y = g.op("MatMul", g.quant(x, 3, 2.0), g.weights(2, 2))
        graph = graph_of(g.save(tmp_path / "a.onnx", ("x", [1, 2]), y, 2), (2,))
        layer = graph.layers[0]
        assert isinstance(layer, Mvau)
        assert layer.weights[0].tolist() == [-1, -least]
        assert layer.weight_dtype.bits == bits


def test_a_channel_without_a_factor_is_constant(tmp_path: Path) -> None:
    g = Graph()
    path = g.save(tmp_path / "a.onnx", ("x", [1, 1, 6, 6]), pooled(g, [0, 0, 1, -1], sign=True), 3)
    graph = graph_of(path, (6, 6, 1))
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 1))
    streams = reference.run(graph, images)
    (edge,) = [name for name in streams if graph.edges[name].dtype.bipolar and "quant" in name]
    values = streams[edge].reshape(20, -1, 4)
    assert np.all(values[..., :2] == 1), "beta is 1: the sign is +1"
    assert set(np.unique(values[..., 2:])) == {-1, 1}


def block(g: Graph, scales: tuple[float, float]) -> str:
    x = g.quant(g.op("MatMul", "x", g.weights(5, 5, scale=1.0)), 4, 4.0)
    long = g.quant(g.op("MatMul", x, g.weights(5, 5, scale=1.0)), 4, scales[0])
    x = g.quant(g.op("Add", long, g.quant(x, 4, scales[1])), 4, 8.0)
    return g.op("MatMul", x, g.weights(5, 3, scale=1.0))


def test_ways_of_whole_ratios_are_added(tmp_path: Path) -> None:
    g = Graph()
    graph = graph_of(g.save(tmp_path / "a.onnx", ("x", [1, 5]), block(g, (2.0, 6.0)), 3), (5,))
    layer = graph.layer("block0_sum")
    assert sorted(layer.factors) == [1, 3]  # type: ignore[attr-defined]


def test_ways_of_other_ratios_are_refused_with_both_scales(tmp_path: Path) -> None:
    g = Graph()
    path = g.save(tmp_path / "a.onnx", ("x", [1, 5]), block(g, (20.0, 7.0)), 3)
    with pytest.raises(PipelineError, match=r"Add_0 .*scales are 20 and 7.*shared quantiser"):
        graph_of(path, (5,))


def test_padding_of_a_shifted_input_says_why_not(tmp_path: Path) -> None:
    g = Graph()
    x = g.op("Conv", "x", g.weights(3, 1, 3, 3), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    x = g.op("Flatten", g.quant(x, 4, 9.0))
    path = g.save(tmp_path / "a.onnx", ("x", [1, 1, 4, 4]), g.op("MatMul", x, g.weights(48, 3)), 3)
    assert graph_of(path, (4, 4, 1)).layers
    with pytest.raises(PipelineError, match=r"Conv_0 .*no integer stands for 0.*input_mean=0"):
        graph_of(path, (4, 4, 1), mean=0.5)


def test_an_arg_max_of_scales_that_differ_is_refused(tmp_path: Path) -> None:
    g = Graph()
    x = g.op("MatMul", "x", g.weights(4, 3))
    x = g.op("Mul", x, g.const(np.array([1, 2, 1], np.float32)))
    path = g.save(tmp_path / "a.onnx", ("x", [1, 4]), x, 3)
    with pytest.raises(PipelineError, match=r"MatMul_0 .*no batch norm behind it"):
        graph_of(path, (4,), "label")
    assert graph_of(path, (4,)).post.scale == pytest.approx((0.25, 0.5, 0.25))
