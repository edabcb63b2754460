"""FINN's dataflow graph of a hardware graph, made by FINN's own transformations, and its execution.

Import this only in a separate process: FINN changes settings of the whole interpreter.
"""

from __future__ import annotations

import os
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import LabelSelect
from pipeline.streamlining.dialect import written
from pipeline.verification.compare import require_equal

DOMAIN = "finn.custom_op.fpgadataflow"


def bootstrap(work: Path) -> None:
    """Makes FINN importable, with its settings in `work`."""
    os.environ["FINN_BUILD_DIR"] = str(work)
    os.environ["FINN_SETTINGS"] = str(work / "settings.yaml")
    os.environ["FINN_DEPS"] = str(work / "deps")
    # FINN's check of every tensor between nodes costs up to 90 % of an execution
    os.environ["SANITIZE_QUANT_TENSORS"] = "0"
    warnings.filterwarnings("ignore", module="(qonnx|finn|brevitas)")


@dataclass(frozen=True, eq=False)
class Dataflow:
    """FINN's dataflow graph as a qonnx ModelWrapper, before specialisation.

    tensors: for each edge of the hardware graph, the tensor with its values. lacks: the operators
    that FINN has no hardware layer for, in words; they stay operators of QONNX.
    """

    model: Any
    tensors: dict[str, str]
    lacks: list[str]

    def names(self, graph: HardwareGraph) -> dict[str, tuple[str, ...]]:
        """For each layer, the FINN nodes that stand for it: those between its edges."""
        ends = set(self.tensors.values())
        found = {}
        for layer in graph.layers:
            inside: list[str] = []
            sources = {self.tensors[name] for name in layer.inputs}
            at = [self.tensors[layer.output]]
            if layer.kind == "fork":
                readers = self.model.find_consumers(at[0]) or []
                inside = [x.name for x in readers if x.op_type == "DuplicateStreams"]
                at = []
            while at:
                name = at.pop()
                node = self.model.find_producer(name)
                if node is None:
                    continue
                if node.op_type == "DuplicateStreams":
                    continue
                if node.op_type != "Reshape":
                    inside.insert(0, node.name)
                at += [x for x in node.input if x not in sources and x not in ends]
            found[layer.id] = tuple(inside)
        return found


def dataflow(graph: HardwareGraph) -> Dataflow:
    """FINN's graph of the same network. Call `bootstrap` first."""
    import finn.custom_op.fpgadataflow.reshape  # noqa: F401, PLC0415 - registers the operator
    from finn.transformation.fpgadataflow.convert_to_hw import (  # noqa: PLC0415
        binary_matrix_vector_activation,
        conv_inp_gen,
        duplicate_streams,
        elementwise_binary_operation,
        label_select,
        pool,
        quantized_matrix_vector_activation,
        reshape,
        thresholding,
    )
    from qonnx.transformation.general import GiveUniqueNodeNames, SortGraph  # noqa: PLC0415

    model = written(graph)
    for transformation in (
        thresholding.InferThresholdingLayer,
        binary_matrix_vector_activation.InferBinaryMatrixVectorActivation,
        quantized_matrix_vector_activation.InferQuantizedMatrixVectorActivation,
        label_select.InferLabelSelectLayer,
        pool.InferPool,
        conv_inp_gen.InferConvInpGen,
        elementwise_binary_operation.InferElementwiseBinaryOperation,
        duplicate_streams.InferDuplicateStreamsLayer,
        reshape.InferReshape,
        SortGraph,
        GiveUniqueNodeNames,
    ):
        try:
            model = model.transform(transformation())
        except Exception as error:  # noqa: BLE001 - FINN asserts what it takes for granted
            traceback.print_exc()
            raise PipelineError(
                f"FINN's {transformation.__name__} fails on this network, though our own hardware "
                f"graph is complete: {type(error).__name__}: {error}; please report this with the "
                "network; the whole traceback is in the stage's log"
            ) from None
    _name_tensors(model)
    tensors = _tensors(graph, model)
    lacks = [f"{node.name} ({node.op_type})" for node in model.graph.node if node.domain != DOMAIN]
    return Dataflow(model, tensors, lacks)


def _tensors(graph: HardwareGraph, model: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for layer in graph.layers:
        for name in layer.inputs:
            found.setdefault(name, name)
        for name in layer.outputs:
            found[name] = found[layer.input] if layer.kind == "fork" else name
        if layer.kind == "swg":  # FINN pads in its window's own node
            found[layer.input] = model.find_producer(layer.output).input[0]
    # a tensor that FINN copies keeps its name in front of the copies
    copies = {
        output: node.input[0]
        for node in model.get_nodes_by_op_type("DuplicateStreams")
        for output in node.output
    }
    return {edge: copies.get(tensor, tensor) for edge, tensor in found.items()}


def _name_tensors(model: Any) -> None:
    """Renames the tensors that FINN added: it draws their names at random."""
    count = 0
    for node in model.graph.node:
        for name in [*node.output]:
            if "." not in name and not name.endswith("_out"):
                model.rename_tensor(name, f"finn.{count}")
                count += 1


def execute(model: Any, images: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Every tensor of FINN's own execution, image by image, since its graphs have batch size 1.

    images: integers [N, H, W, C] or [N, F].
    """
    from qonnx.core.onnx_exec import execute_onnx  # noqa: PLC0415

    name = model.graph.input[0].name
    shape = model.get_tensor_shape(name)
    return [
        execute_onnx(
            model, {name: image.reshape(shape).astype(np.float32)}, return_full_exec_context=True
        )
        for image in images
    ]


def streams(graph: HardwareGraph, made: Dataflow, images: np.ndarray) -> dict[str, np.ndarray]:
    """FINN's values of every edge, int64 [N, *edge.shape], in our numbers."""
    executed = execute(made.model, images)
    found = {}
    for name, tensor in made.tensors.items():
        edge = graph.edges[name]
        values = np.stack([context[tensor].reshape(edge.shape) for context in executed])
        if edge.dtype.bipolar:
            values = 2 * (values > 0) - 1  # FINN's BINARY, the operand of an XNOR layer
        found[name] = values.astype(np.int64)
    last = graph.layers[-1]
    if isinstance(last, LabelSelect) and last.labels is not None:
        found[last.output] = np.asarray(last.labels)[found[last.output]]
    return found


def compare(graph: HardwareGraph, made: Dataflow, images: np.ndarray) -> None:
    """Raises VerificationError unless every stream of every layer equals FINN's execution."""
    require_equal(
        graph, reference.run(graph, images), streams(graph, made, images), "FINN's execution"
    )
