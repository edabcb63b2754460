"""Checks constants of a file: their sizes must agree with their bytes, their numbers be finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import SpecError
from pipeline.qonnx.text import name_of

TYPES: dict[int, str] = {
    kind: str(helper.tensor_dtype_to_np_dtype(kind))
    for kind in (
        *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BOOL),
        *(TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64),
        *(TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64),
    )
}
"""The allowed element types."""
MOST_DIMS = 8
_FIELDS = {"raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"}
_BESIDE = {"name", "dims", "data_type", "data_location", "doc_string", "metadata_props"}


def rebuilt_tensor(tensor: onnx.TensorProto, what: str) -> onnx.TensorProto:
    """Makes a constant anew, as raw data. SpecError: numbers are missing, or are not numbers."""
    found = {field.name for field, _ in tensor.ListFields()}
    if tensor.data_location == TensorProto.EXTERNAL or "external_data" in found:
        raise SpecError(
            f"keeps {what} in other files; save it as one file (onnx.save(model, path) after "
            "onnx.load, without save_as_external_data)"
        )
    if strange := found - _FIELDS - _BESIDE:
        raise SpecError(f"{what} has {', '.join(sorted(strange))}; allowed are plain numbers")
    require_type(tensor.data_type, what)
    count = elements(tensor.dims, what)
    fields = found & _FIELDS
    if fields == {"raw_data"}:
        width = np.dtype(TYPES[tensor.data_type]).itemsize
        held, left = divmod(len(tensor.raw_data), width)
    else:
        field = helper.tensor_dtype_to_field(tensor.data_type)
        held, left = len(getattr(tensor, field)), len(fields - {field})
    if held != count or left:
        raise SpecError(
            f"{what} of {list(tensor.dims)} {TYPES[tensor.data_type]} is {count:,} numbers; the "
            f"file holds {held:,}{' and a part of one' if left else ''}"
        )
    values = numpy_helper.to_array(tensor)
    return from_array(values, tensor.name, what)


def from_array(values: Any, name: str, what: str) -> onnx.TensorProto:
    """Makes a constant of an array. SpecError: it has a NaN or an infinity."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SpecError(f"{what} has numbers that are not finite (NaN or infinity)")
    if values.dtype == bool:  # any byte but 0 is true, and must become 1
        values = values.view(np.uint8) != 0
    return numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name)


def require_type(kind: int, what: str) -> None:
    if kind not in TYPES:
        known = TensorProto.DataType.values()
        told = TensorProto.DataType.Name(kind) if kind in known else kind
        raise SpecError(f"{what} is of element type {told}; allowed: {', '.join(TYPES.values())}")


def elements(dims: Any, what: str) -> int:
    """The number of elements, however large. SpecError: a negative size, or too many sizes."""
    if len(dims) > MOST_DIMS or any(size < 0 for size in dims):
        shown = name_of(str(list(dims[: MOST_DIMS + 1])))
        raise SpecError(f"{what} has the shape {shown}; allowed are up to {MOST_DIMS} sizes from 0")
    return math.prod(dims)
