"""Parses an ONNX file, but only if it is small enough, as a file and once it is in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from pipeline.errors import SpecError
from specs.paths import read_file

MOST_MIB = 128
"""The largest file: 32 million float32 weights, several times what any board can store."""
MOST_FIELDS = 500_000
"""The most fields in a file. A field takes two bytes in a file and hundreds in memory. Large
networks have some 50,000."""
_DEEPEST = 16
"""How deep messages may be nested. A tensor in a node's attribute is at depth four."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def parsed(path: Path) -> onnx.ModelProto:
    """The model in a file. SpecError: it is not an ONNX file, or is too large."""
    try:
        data = read_file(path, MOST_MIB * 2**20)
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}") from None
    model = onnx.ModelProto()
    try:
        _require_small(data)
        model.ParseFromString(data)
    except UnicodeDecodeError:
        raise SpecError("has names that are no text (UTF-8)") from None
    except (DecodeError, IndexError) as error:
        raise SpecError(f"not an ONNX file: {error}") from None
    if not model.graph.node:
        raise SpecError("not an ONNX file, or one without operators")
    return model


def _require_small(data: bytes) -> None:
    """Raises SpecError if there are too many fields, before any becomes an object.

    IndexError: the data end within a field.
    """
    fields = 0
    todo = [(0, len(data), onnx.ModelProto.DESCRIPTOR, 0)]
    while todo:
        at, end, message, depth = todo.pop()
        while at < end:
            tag, at = _varint(data, at)
            field = message.fields_by_number.get(tag >> 3)
            kind, size = tag & 7, 0
            if kind == _VARINT:
                _, at = _varint(data, at)
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
            elif kind == _BYTES:
                size, at = _varint(data, at)
                if field is not None and field.message_type is not None:
                    if depth == _DEEPEST:
                        raise SpecError(f"has messages within messages, {_DEEPEST} deep and more")
                    todo.append((at, at + size, field.message_type, depth + 1))
                elif field is not None and field.type == FieldDescriptor.TYPE_STRING:
                    data[at : at + size].decode()
                at += size
            else:
                raise DecodeError(f"a field of wire type {kind}")
            if at > end:
                raise DecodeError("truncated")
            fields += 1 + (_packed(field, size) if size else 0)
            if fields > MOST_FIELDS:
                raise SpecError(
                    f"has more than {MOST_FIELDS:,} fields: too many for a network; constants are "
                    "read faster as raw_data"
                )


def _packed(field: Any, size: int) -> int:
    """How many fields a list of numbers counts as: a number of one byte takes eight in memory."""
    of_numbers = field is not None and field.cpp_type in (
        FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT64,
    )  # fmt: skip
    return size // 64 if of_numbers else 0


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise DecodeError("a number of more than 64 bits")
