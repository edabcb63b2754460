"""QONNX models that others wrote: all the way to bit-exact RTL."""

import math
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.inputs import draw, planes
from pipeline.export import own
from pipeline.export.verify import execute
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import LabelSelect
from pipeline.qonnx import clean, normal, support
from pipeline.qonnx.description import describe, read
from pipeline.streamlining import finn
from pipeline.streamlining.graph import hardware_graph
from pipeline.streamlining.proof import compare_with_logits
from specs.input import InputSpec
from specs.network import Output
from tests.chain.test_random_networks import random_folding
from tests.export import qonnx_files
from tests.rtl import designs


def streamlined(
    path: Path, contract: InputSpec, output: Output, work: Path
) -> tuple[HardwareGraph, np.ndarray]:
    """The hardware graph of a file, equal to the file and to FINN; inputs [60, *shape]."""
    from qonnx.core.modelwrapper import ModelWrapper

    layout = describe(path).layout
    original, _ = clean.without_tail(clean.clean(ModelWrapper(read(path).model)))
    assert not list(support.unsupported(original))
    normal.normalised(original, layout).save(str(work / "normalised.onnx"))
    inputs = draw(contract, 60)
    floats = planes(inputs, contract)
    model = ModelWrapper(str(work / "normalised.onnx"))
    logits = execute(model, floats, 30).reshape(60, -1)
    own.require_same(original, floats[:4], layout, logits[:4])
    found = hardware_graph(model, "net", contract, output)
    compare_with_logits(found, model, inputs, logits)
    finn.compare(found.graph, finn.dataflow(found.graph), inputs[:3])
    return found.graph, inputs


def test_quantisers_round_to_even(finn_work: Path, tmp_path: Path) -> None:
    """Sums in the middle of two levels, which FINN itself rounds up."""
    g = qonnx_files.Graph()
    x = g.op("MatMul", "input", g.quant(g.const(np.eye(3, dtype=np.float32)), 2, 1.0, narrow=1))
    x = g.quant(x, 4, 2.0)
    x = g.op("MatMul", x, g.quant(g.const(np.eye(3, dtype=np.float32)), 2, 1.0, narrow=1))
    path = g.save(tmp_path / "even.onnx", ("input", [1, 3]), x, 3)
    contract = InputSpec(shape=(3,), dtype="INT4", scale=1.0)
    graph, _ = streamlined(path, contract, "logits", tmp_path)
    found = reference.run(graph, np.array([[-5, -3, -1], [1, 3, 5]], np.int8))[graph.sink.id]
    assert found.tolist() == [[-2, -2, 0], [0, 2, 2]]


def test_thresholds_are_exact_where_float32_is_not(finn_work: Path, tmp_path: Path) -> None:
    g, channels, scale = qonnx_files.Graph(5), 300, 3000.7
    weights = g.weights(9, channels, bits=8, scale=np.float32(0.013))
    bias = g.rng.normal(0, 900, channels).astype(np.float32)
    x = g.op("Add", g.op("MatMul", "input", weights), g.const(bias))
    x = g.op("MatMul", g.quant(x, 4, scale / 100), g.weights(channels, 2))
    path = g.save(tmp_path / "wide.onnx", ("input", [1, 9]), x, 2)
    graph, _ = streamlined(path, InputSpec(shape=(9,), scale=1.0), "logits", tmp_path)
    found = graph.layers[0].thresholds  # type: ignore[attr-defined]
    low, high = graph.layers[0].accumulator_range(graph.source.dtype)  # type: ignore[attr-defined]

    def exact(level: int, channel: int) -> int:
        """The least integer sum whose quotient by the scale rounds to `level` or more."""
        step, unit, shift = (Fraction(float(np.float32(v))) for v in (
            scale / 100, 0.013, bias[channel]))  # fmt: skip
        least: int = math.ceil((step * (level - Fraction(1, 2)) - shift) / unit)
        return int(min(max(least, low), high + 1))

    expected = np.array([[exact(level, c) for level in range(-7, 8)] for c in range(channels)])
    assert np.array_equal(found, expected)
    steps = (np.arange(-7, 8, dtype=np.float32) - np.float32(0.5)) * np.float32(scale / 100)
    single = np.ceil((steps - bias[:, None]) / np.float32(0.013))
    assert np.any(np.clip(single, low, high + 1) != expected), "else this shows nothing"


@pytest.mark.parametrize("output", ["label", "logits"])
@pytest.mark.parametrize("seed", [3, 9])
def test_their_rtl_is_bit_exact(
    finn_work: Path, tmp_path: Path, cache: Path, seed: int, output: Output
) -> None:
    if seed == 3:
        path = qonnx_files.keras_network(tmp_path / "keras.onnx")
        contract = InputSpec(shape=(8, 8, 3))
    else:
        path = qonnx_files.mlp(tmp_path / "mlp.onnx", outputs=1 if output == "logits" else 5)
        contract = InputSpec(shape=(13,), dtype="INT8", scale=1.0)
    graph, inputs = streamlined(path, contract, output, tmp_path)
    folding = random_folding(graph, random.Random(seed))
    accelerator = designs.build(graph, folding, tmp_path / "rtl", cache, {})
    result = designs.require_exact(accelerator, graph, inputs[:20])
    expected = reference.run(graph, inputs[:20])[graph.sink.id]
    assert np.array_equal(result.output.reshape(expected.shape), expected)
    if output == "label" and seed == 3:
        last = graph.layers[-1]
        assert isinstance(last, LabelSelect)
        assert last.labels is not None, "its biases are no multiples of the scale: classes move"
