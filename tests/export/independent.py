"""Executes a QONNX file as it is, without any step of ours, and judges a hardware graph by it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.general.bipolar_quant import binary_quant
from qonnx.custom_op.general.quant import quant
from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2
from qonnx.transformation.infer_shapes import InferShapes

from pipeline.export.verify import unsanitised
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.post import scores
from specs.input import InputSpec

TAIL = ("LogSoftmax", "Sigmoid", "Softmax")
"""Operators at the end that keep the order of the scores: their input is what is compared."""
STEP = 0.25
"""A score of float32 must be so close to ours, in steps of the last accumulator."""
EXACT = 1e-3
"""The same for float64, whose rounding is far below a step."""
NUDGE = 1e-9
"""Half of this, relative to a quantiser's scale, is added to or taken from its inputs to see what
lies on a border."""
_DOMAIN = "qonnx.custom_op.general"


@dataclass(frozen=True)
class Judged:
    """How many inputs gave exactly the file's scores, and how many were ties of float32."""

    equal: int
    ties: int


class _Quantiser(OpRun):
    """A quantiser in float64, by qonnx' own definition. `nudge` moves its input by a hair."""

    op_domain = _DOMAIN
    nudge = 0.0

    def moved(self, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return x + self.nudge * scale


class _Quant(_Quantiser):
    def _run(self, x: Any, scale: Any, zero: Any, bits: Any, **found: Any) -> tuple[Any]:
        mode = found["rounding_mode"] or "ROUND"
        signed, narrow = found["signed"], found["narrow"]
        return (quant(self.moved(x, scale), scale, zero, bits, signed, narrow, mode),)


class _BipolarQuant(_Quantiser):
    def _run(self, x: Any, scale: Any) -> tuple[Any]:
        return (binary_quant(self.moved(x, scale), scale),)


class _Trunc(_Quantiser):
    def _run(self, *inputs: Any, **found: Any) -> tuple[Any]:
        mode = found["rounding_mode"] or "FLOOR"
        if len(inputs) == 5:
            return (trunc_v1(*inputs, mode),)
        x, scale, zero, bits, out_scale, out_bits = inputs
        args = (found["narrow"], found["signed"], out_scale, out_bits, mode)
        return (trunc_v2(x, scale, zero, bits, *args),)


def judge(path: Path, graph: HardwareGraph, inputs: np.ndarray, layout: str = "NCHW") -> Judged:
    """Compares a graph that gives its scores, or its label, with the file, input by input.

    inputs: integers [N, *shape]. Raises AssertionError with the first input that differs, unless
    that is for the rounding of float32. Then the file gives our scores if it is executed in
    float64. Or float32 and float64 differ, and it gives ours if the inputs of its quantisers are
    moved by a hair.
    """
    exact = _values(inputs, graph.input)
    if exact.ndim == 4 and layout == "NCHW":
        exact = exact.transpose(0, 3, 1, 2)
    outputs = reference.run(graph, inputs, (graph.sink.id,))[graph.sink.id].reshape(len(inputs), -1)
    equal = ties = 0
    for number, (one, output) in enumerate(zip(exact, outputs, strict=True)):
        wanted = by_qonnx(path, one.astype(np.float32))
        if _same(graph, output, wanted, STEP):
            equal += 1
            continue
        runs = [*in_float64(path, one)]
        if np.abs(runs[0] - wanted).max() < STEP * _step(graph).min():
            runs = runs[:1]
        assert any(_same(graph, output, found, EXACT) for found in runs), (
            f"input {number}: the file gives {wanted}, in float64 {runs[0]}; ours is {output}, "
            f"which means {scores(graph.post, output[None]) if graph.post.scale else 'a class'}"
        )
        ties += 1
    return Judged(equal, ties)


def _values(inputs: np.ndarray, contract: InputSpec) -> np.ndarray:
    """What the integers [N, *shape] mean, in float64. The constants are of float32."""
    scale, mean, std = (
        np.asarray(number, np.float32).astype(np.float64)
        for number in (contract.scale, contract.mean, contract.std)
    )
    found: np.ndarray = (inputs * scale - mean) / std
    return found


def _same(graph: HardwareGraph, output: np.ndarray, wanted: np.ndarray, share: float) -> bool:
    if graph.post.output == "label":
        slack = 1e-6 * float(np.abs(wanted).max())
        return bool(wanted[int(output[0])] >= wanted.max() - slack)
    difference = np.abs(scores(graph.post, output[None])[0] - wanted)
    return bool(np.all(difference <= share * _step(graph)))


def _step(graph: HardwareGraph) -> np.ndarray:
    """By how much each score moves with the last accumulator; 1 if the graph gives labels."""
    step: np.ndarray = np.abs(np.asarray(graph.post.scale or (1.0,)))
    return step


@functools.cache
def _raw(path: Path) -> tuple[Any, str]:
    """The file for qonnx' executor, which needs all shapes, and the name of its scores."""
    model = ModelWrapper(str(path)).transform(InferShapes())
    return model, _scores(model.graph)


def _scores(graph: Any) -> str:
    last: str = graph.output[0].name
    producer = next(node for node in graph.node if last in node.output)
    return str(producer.input[0]) if producer.op_type in TAIL else last


def by_qonnx(path: Path, one: np.ndarray) -> np.ndarray:
    """The scores of one input by qonnx' own executor, in float32."""
    model, name = _raw(path)
    with unsanitised():
        context = execute_onnx(
            model, {model.graph.input[0].name: np.ascontiguousarray(one[None])}, True
        )
    found: np.ndarray = context[name].reshape(-1)
    return found.astype(np.float64)


@functools.cache
def _in_float64(path: Path) -> tuple[list[ReferenceEvaluator], str]:
    """The file in float64: as it is, and with the quantisers' inputs moved down and up."""
    model = onnx.load(str(path))
    name = _scores(model.graph)
    return [evaluator(model, name, nudge) for nudge in (0.0, -NUDGE / 2, NUDGE / 2)], name


def evaluator(model: Any, name: str, nudge: float = 0.0) -> ReferenceEvaluator:
    """onnx' own evaluator of a QONNX model up to the tensor `name`, in float64."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for tensor in (*model.graph.initializer, *_constants(model.graph)):
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    # onnx' own evaluator takes a batch norm below opset 14 for one that is being trained
    for opset in model.opset_import:
        if opset.domain == "":
            opset.version = max(opset.version, 15)
    # the types that the file tells of its tensors are no longer true
    del model.graph.value_info[:]
    model.graph.output[0].CopyFrom(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None)
    )
    kinds = {"Quant": _Quant, "BipolarQuant": _BipolarQuant, "Trunc": _Trunc}
    ops = [type(kind, (cls,), {"nudge": nudge}) for kind, cls in kinds.items()]
    return ReferenceEvaluator(model, new_ops=ops)


def _constants(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (found.t for found in node.attribute if found.name == "value")


def in_float64(path: Path, one: np.ndarray) -> Iterator[np.ndarray]:
    evaluators, name = _in_float64(path)
    for each in evaluators:
        (found,) = each.run([name], {each.input_names[0]: one[None]})
        yield np.asarray(found).reshape(-1)
