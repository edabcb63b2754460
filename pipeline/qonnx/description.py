"""Reads an ONNX file and finds out what it says about its input, before anything is built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from pipeline.errors import SpecError
from pipeline.qonnx.rebuild import Rebuilt, rebuilt
from pipeline.qonnx.sizes import bounded
from pipeline.qonnx.text import name_of
from pipeline.qonnx.wire import parsed
from specs.models import Layout

_ELEMENTWISE = {
    "Add",
    "BipolarQuant",
    "Cast",
    "Div",
    "Identity",
    "IntQuant",
    "Mul",
    "Quant",
    "Relu",
    "Sub",
}
"""Operators that do not move values."""
_OF_IMAGES = {"AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool", "MaxPool"}
"""Operators whose input ONNX defines as [N, C, H, W]."""
_CHANNELS_FIRST, _CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
MOST_BITS = 8


@dataclass(frozen=True)
class Description:
    """What a file says about its input. None: it does not say.

    dims: its shape without the batch. dtype: the type of its integers. scale: the number that the
    integer 1 stands for.
    """

    dims: tuple[int, ...]
    layout: Layout | None
    dtype: str | None
    scale: float | None

    def shape(self, layout: Layout | None) -> tuple[int, ...] | None:
        """The shape (H, W, C) or (F,); None if neither the file nor `layout` tells the axis C."""
        layout = layout or self.layout
        if len(self.dims) == 1:
            return self.dims
        if layout is None:
            return None
        channels, *size = self.dims if layout == "NCHW" else (self.dims[2], *self.dims[:2])
        return (*size, channels)


def read(path: Path) -> Rebuilt:
    """Reads the model in a file: rebuilt from known parts, with one input and constants computed.

    SpecError: the file is not a model, has unknown parts, or is too large.
    """
    try:
        found = rebuilt(parsed(path))
        require_one_input(found.model)
        bounded(found.model, path.stat().st_size)
    except SpecError as error:
        raise SpecError(f"qonnx={path}: {error}") from None
    return found


def require_one_input(model: onnx.ModelProto) -> None:
    """Raises SpecError unless the model has one input and one output of fixed shapes."""
    graph = model.graph
    constants = {x.name for x in graph.initializer}
    inputs = [x for x in graph.input if x.name not in constants]
    # the values and the indices of a TopK count as one output
    makers = {name: number for number, node in enumerate(graph.node) for name in node.output}
    ends = {makers.get(x.name) for x in graph.output}
    if len(inputs) != 1 or len(ends) != 1:
        names = [", ".join(name_of(x.name) for x in of[:8]) for of in (inputs, graph.output)]
        raise SpecError(
            f"one input and one output are supported; it has the inputs {names[0]} and the "
            f"outputs {names[1]}"
        )
    dims = [(x.dim_value, x.dim_param) for x in inputs[0].type.tensor_type.shape.dim]
    if len(dims) < 2 or not all(size for size, _ in dims[1:]):
        told = ", ".join(str(size or name or "?") for size, name in dims)
        raise SpecError(
            f"{inputs[0].name} has the shape [{told}]; all but the first, the batch, must be fixed "
            "numbers"
        )
    if len(dims) not in (2, 4):
        raise SpecError(
            f"its input {inputs[0].name} has {len(dims)} dimensions; supported are [N, F] and "
            "images of four"
        )


def describe(path: Path) -> Description:
    """What a file says about its input. SpecError: as `read`, or its integers are too wide."""
    graph = read(path).model.graph
    constants = {x.name: x for x in graph.initializer}
    (source,) = graph.input
    dims = tuple(x.dim_value for x in source.type.tensor_type.shape.dim)[1:]
    annotated = [
        pair.value
        for note in graph.quantization_annotation
        if note.tensor_name == source.name
        for pair in note.quant_parameter_tensor_names
        if pair.key == "finn_datatype"
    ]
    scale: float | None = None
    dtype: str | None = None
    if annotated and "INT" in annotated[0]:
        if not re.fullmatch(r"U?INT[1-8]", annotated[0]):
            raise SpecError(
                f"qonnx={path}: its input is said to be {annotated[0]}; supported are UINT1 to "
                "UINT8 and INT1 to INT8"
            )
        dtype, scale = annotated[0], 1.0
    elif (found := _quantised(graph, source.name, constants)) is not None:
        dtype, scale = found
    return Description(dims, _layout(graph, source.name, dims), dtype, scale)


def _readers(graph: Any, tensor: str) -> list[Any]:
    return [node for node in graph.node if tensor in node.input]


def _quantised(graph: Any, tensor: str, constants: dict[str, Any]) -> tuple[str, float] | None:
    """The datatype and scale of the quantiser of the input, if it has one of each.

    None if anything else reads the input, too.
    """
    readers = _readers(graph, tensor)
    if len(readers) != 1 or readers[0].op_type not in ("Quant", "IntQuant"):
        return None
    names = list(readers[0].input[1:4])
    if not all(name in constants for name in names):
        return None
    scale, zero, bits = (numpy_helper.to_array(constants[name]) for name in names)
    if scale.size != 1 or not 0 < scale.item() < float("inf") or zero.any():
        return None
    if bits.size != 1 or bits.item() not in range(1, MOST_BITS + 1):
        return None
    signed = next((x.i for x in readers[0].attribute if x.name == "signed"), 1)
    return f"{'' if signed else 'U'}INT{int(bits.item())}", float(scale.item())


def _layout(graph: Any, tensor: str, dims: tuple[int, ...]) -> Layout | None:
    """The layout of an image, by the first operator that shows it, or else by an axis of size 1."""
    if len(dims) != 3:
        return None
    while (readers := _readers(graph, tensor)) and readers[0].op_type in _ELEMENTWISE:
        tensor = readers[0].output[0]
    if readers and readers[0].op_type in _OF_IMAGES:
        return "NCHW"
    if readers and readers[0].op_type == "Transpose":
        order = next((list(x.ints) for x in readers[0].attribute if x.name == "perm"), [])
        if order in (_CHANNELS_FIRST, _CHANNELS_LAST):
            return "NHWC" if order == _CHANNELS_FIRST else "NCHW"
    first, last = dims[0] == 1, dims[2] == 1
    if first != last:  # with one channel, both layouts have the same pixels in the same order
        return "NCHW" if first else "NHWC"
    return None
