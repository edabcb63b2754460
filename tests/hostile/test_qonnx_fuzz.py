"""Fuzzing: a randomly changed QONNX file is refused with one error, or reads the same twice.

The suite tries some hundred changes. To try more by hand:
PIPELINE_FUZZ=100000 .venv/bin/pytest tests/hostile/test_qonnx_fuzz.py
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import SpecError
from pipeline.qonnx.description import read
from pipeline.qonnx.operators import STANDARD
from tests.export.qonnx_files import keras_network, mlp
from tests.export.random_files import Random

EXAMPLES = int(os.environ.get("PIPELINE_FUZZ", "250"))
fuzzed = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
INTEGERS = (0, 1, -1, 2, 7, 255, 2**16, 2**31 - 1, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63))
KINDS = (*sorted(STANDARD), "Loop", "pads", "axes", "axis", "strides", "group", "kernel_shape")
FLOATS = (0.0, -1.0, 1e-45, 3e38, float("inf"), float("nan"))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("honest")
    files = [mlp(folder / "mlp.onnx"), keras_network(folder / "keras.onnx")]
    files += [Random(seed, folder / f"{seed}.onnx").path for seed in range(6)]
    for file in files:
        read(file)  # unchanged files must be accepted, or the test shows nothing
    return [file.read_bytes() for file in files]


def require_refused_or_same(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    told = None
    try:
        first = read(path).model.SerializeToString(deterministic=True)
    except SpecError as error:
        told = str(error)
    if told is not None:
        assert told.isprintable()
        return
    path.write_bytes(first)
    again = read(path)
    assert again.model.SerializeToString(deterministic=True) == first
    assert again.left_out == ()


@fuzzed
@given(chance=st.randoms(use_true_random=False))
def test_changed_bytes(honest: list[bytes], tmp_path: Path, chance: random.Random) -> None:
    data = bytearray(chance.choice(honest))
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at] = chance.choice([0, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            del data[at : at + chance.randint(1, 40)]
        else:
            data[at:at] = data[at : at + chance.randint(1, 40)]
        if not data:
            return
    require_refused_or_same(tmp_path / "model.onnx", bytes(data))


@fuzzed
@given(chance=st.randoms(use_true_random=False))
def test_changed_fields(honest: list[bytes], tmp_path: Path, chance: random.Random) -> None:
    model = onnx.ModelProto.FromString(chance.choice(honest))
    for _ in range(chance.randint(1, 4)):
        _change(model, chance)
    try:
        data = model.SerializeToString()
    except (DecodeError, ValueError):
        return
    require_refused_or_same(tmp_path / "model.onnx", data)


def _change(model: Any, chance: random.Random) -> None:
    """Changes one field of any message."""
    message = chance.choice([*_messages(model)])
    field = chance.choice(message.DESCRIPTOR.fields)
    repeated = field.label == field.LABEL_REPEATED
    if field.message_type is not None:
        _change_message(message, field, repeated, chance)
    elif repeated:
        values = [*getattr(message, field.name)]
        value = _value(model, field, chance)
        if values and chance.random() < 0.5:
            values[chance.randrange(len(values))] = value
        else:
            values.insert(chance.randint(0, len(values)), value)
        message.ClearField(field.name)
        _set(lambda: getattr(message, field.name).extend(values))
    elif chance.random() < 0.2:
        message.ClearField(field.name)
    else:
        _set(lambda: setattr(message, field.name, _value(model, field, chance)))


def _messages(message: Any) -> Iterator[Any]:
    """The message and all messages within it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.label == field.LABEL_REPEATED else [value]:
                yield from _messages(part)


def _set(change: Any) -> None:
    try:
        change()
    except (TypeError, ValueError):  # beyond 32 bits, or no value of an enumeration
        return


def _change_message(message: Any, field: Any, repeated: bool, chance: random.Random) -> None:
    if not repeated:
        getattr(message, field.name).SetInParent()
        return
    values = getattr(message, field.name)
    kind = chance.randrange(3)
    if kind == 0 or not values:
        values.add()
    elif kind == 1:
        del values[chance.randrange(len(values))]
    else:
        copy = type(values[0]).FromString(chance.choice(values).SerializeToString())
        values.insert(chance.randint(0, len(values)), copy)


def _value(model: Any, field: Any, chance: random.Random) -> Any:
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return chance.choice(FLOATS)
    if field.type == field.TYPE_BYTES:
        return chance.choice([b"", b"\0" * 4, b"ROUND", b"SAME_UPPER", b"\xff" * 100])
    if field.cpp_type == field.CPPTYPE_STRING:
        node = chance.choice(model.graph.node)
        names = [*node.input, *node.output, node.op_type, "", "x" * 600, "\x1b[2J", "this"]
        return chance.choice([chance.choice(KINDS), chance.choice(names)])
    return chance.choice(INTEGERS) if chance.random() < 0.7 else chance.randint(0, 20)
