"""Reads the attributes of FINN's nodes."""

from __future__ import annotations

from typing import Any

from pipeline.hardware.datatypes import DataType


def sums_streams(model: Any, node: Any) -> bool:
    """Whether `node` adds two streams, rather than constants to a stream."""
    constants = [model.get_initializer(name) for name in node.input]
    return node.op_type == "ElementwiseAdd" and all(value is None for value in constants)


def attribute(node: Any, name: str) -> Any:
    for entry in node.attribute:
        if entry.name == name:
            values = (entry.i, entry.s.decode(), entry.f)
            return next((value for value in values if value), 0)
    return 0


def integers(node: Any, name: str) -> list[int]:
    return next(list(entry.ints) for entry in node.attribute if entry.name == name)


def datatype(name: str) -> DataType:
    if name == "BINARY":
        return DataType("UINT1")
    if name == "TERNARY":
        return DataType("INT2")
    return DataType(name)
