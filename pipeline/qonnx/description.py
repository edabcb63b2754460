"""What an ONNX file says of its own input: read at once, before anything is built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from pipeline.errors import SpecError
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
"""Operators that leave a value in its place."""
_OF_IMAGES = {"AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool", "MaxPool"}
"""Operators whose input ONNX defines as [N, C, H, W]."""
_CHANNELS_FIRST, _CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
MOST_BITS = 8


@dataclass(frozen=True)
class Description:
    """Of a file: what it says of its input. None: it does not say.

    dims: without the batch. dtype: the integers that are put in. scale: what 1 of them means.
    """

    dims: tuple[int, ...]
    layout: Layout | None
    dtype: str | None
    scale: float | None

    def shape(self, layout: Layout | None) -> tuple[int, ...] | None:
        """(H, W, C) or (F,); None: the layout is neither said nor given."""
        layout = layout or self.layout
        if len(self.dims) == 1:
            return self.dims
        if layout is None:
            return None
        channels, *size = self.dims if layout == "NCHW" else (self.dims[2], *self.dims[:2])
        return (*size, channels)


def read(path: Path) -> onnx.ModelProto:
    """The model in a file. SpecError: it is none, or not complete in itself."""
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise SpecError(f"qonnx={path}: not an ONNX file: {error}") from None
    if not model.graph.node:
        raise SpecError(f"qonnx={path}: not an ONNX file, or one without operators")
    outside = [x.name for x in model.graph.initializer if x.data_location == x.EXTERNAL]
    if outside:
        raise SpecError(
            f"qonnx={path}: keeps {', '.join(outside[:3])} in other files; save it as one file "
            "(onnx.save(model, path) after onnx.load, without save_as_external_data)"
        )
    return model


def describe(path: Path) -> Description:
    """SpecError: no ONNX file, or not one input and one output of fixed shapes."""
    model = read(path)
    graph = model.graph
    constants = {x.name: x for x in graph.initializer}
    inputs = [x for x in graph.input if x.name not in constants]
    # the values and the indices of a TopK are one answer
    ends = {node.name for node in graph.node for x in graph.output if x.name in node.output}
    if len(inputs) != 1 or len(ends) != 1:
        names = [[x.name for x in of] for of in (inputs, graph.output)]
        raise SpecError(
            f"qonnx={path}: one input and one output are supported; it has the inputs "
            f"{', '.join(names[0])} and the outputs {', '.join(names[1])}"
        )
    dims = _dims(path, inputs[0])
    if len(dims) not in (1, 3):
        raise SpecError(
            f"qonnx={path}: its input {inputs[0].name} has {len(dims) + 1} dimensions; supported "
            "are [N, F] and images of four"
        )
    annotated = [
        pair.value
        for note in graph.quantization_annotation
        if note.tensor_name == inputs[0].name
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
    elif (found := _quantised(graph, inputs[0].name, constants)) is not None:
        dtype, scale = found
    return Description(dims, _layout(graph, inputs[0].name, dims), dtype, scale)


def _dims(path: Path, value: Any) -> tuple[int, ...]:
    """Without the batch, which may be open."""
    dims = [(x.dim_value, x.dim_param) for x in value.type.tensor_type.shape.dim]
    if len(dims) < 2 or not all(size for size, _ in dims[1:]):
        told = ", ".join(str(size or name or "?") for size, name in dims)
        raise SpecError(
            f"qonnx={path}: {value.name} has the shape [{told}]; all but the first, the batch, "
            "must be fixed numbers"
        )
    return tuple(size for size, _ in dims[1:])


def _readers(graph: Any, tensor: str) -> list[Any]:
    return [node for node in graph.node if tensor in node.input]


def _quantised(graph: Any, tensor: str, constants: dict[str, Any]) -> tuple[str, float] | None:
    """Datatype and scale of a quantiser that alone reads the input, if it has one of each."""
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
    """NCHW or NHWC of an image, by the first operator that cares; one channel leaves no choice."""
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
    if first != last:  # the other reading would put the same pixels in the same order
        return "NCHW" if first else "NHWC"
    return None
