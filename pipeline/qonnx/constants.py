"""The constants of a QONNX graph: what needs no input, quantised or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import numpy_helper

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.qonnx.edit import QUANTISERS, attributes, where

MOST_CONSTANT_BITS = 32
"""Of a constant: what the bias of a layer may have. Weights have fewer."""


@dataclass(frozen=True, eq=False)
class Quantised:
    """A quantised constant: integers * scale. The scale's shape broadcasts to the integers'.

    mask: where it is not set, pruning took a weight away, and the value is 0. None: nowhere.
    """

    integers: np.ndarray
    scale: np.ndarray
    dtype: DataType
    mask: np.ndarray | None = None

    @property
    def real(self) -> np.ndarray:
        """The real values, float64."""
        found: np.ndarray = self.integers * self.scale
        return found if self.mask is None else found * self.mask


class Constants:
    """All tensors of a graph that depend on no input."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._initializers = {x.name: x for x in model.graph.initializer}
        self._arrays: dict[str, np.ndarray] = {}
        self._quantised: dict[str, Quantised] = {}
        for node in model.graph.node:
            if self._quantises(node):
                self._quantised[node.output[0]] = _quantised(model, node)
            elif node.op_type in ("Mul", "Div"):
                self._rescale(node)
            elif node.input and node.input[0] in self._quantised:
                self._move(node)

    def _quantises(self, node: Any) -> bool:
        return node.op_type in QUANTISERS and node.input[0] in self._initializers

    def _move(self, node: Any) -> None:
        """A quantised constant may be transposed or reshaped, and stays one."""
        found = self._quantised[node.input[0]]
        whole = found.integers.shape
        mask = np.ones(1, bool) if found.mask is None else found.mask
        parts = found.integers, *(np.broadcast_to(x, whole) for x in (found.scale, mask))
        if node.op_type == "Transpose":
            axes = attributes(node).get("perm")
            moved = [part.transpose(axes) for part in parts]
        elif node.op_type in ("Reshape", "Flatten"):
            shape = self._model.get_tensor_shape(node.output[0])
            moved = [part.reshape(shape) for part in parts]
        else:
            return
        self._quantised[node.output[0]] = replace(
            found,
            integers=moved[0],
            scale=moved[1],
            mask=None if found.mask is None else moved[2],
        )

    def _rescale(self, node: Any) -> None:
        """A quantised constant times a mask; or times or by a positive one, which is a scale."""
        names = list(node.input)
        if node.op_type == "Mul" and names[1] in self._quantised:
            names.reverse()
        found, number = self._quantised.get(names[0]), self._plain(names[1])
        if found is None or number is None:
            return
        try:
            fits = np.broadcast_shapes(found.integers.shape, number.shape) == found.integers.shape
        except ValueError:
            fits = False
        if not fits:
            return
        if np.all(number > 0):
            factor = number.astype(np.float64) if node.op_type == "Mul" else 1 / np.float64(number)
            self._quantised[node.output[0]] = replace(found, scale=found.scale * factor)
        elif node.op_type == "Mul" and np.all((number == 0) | (number == 1)):
            mask = number == 1 if found.mask is None else found.mask & (number == 1)
            self._quantised[node.output[0]] = replace(found, mask=mask)

    def _plain(self, name: str) -> np.ndarray | None:
        """A constant that is stored; read once, since weights are large."""
        if name not in self._arrays and name in self._initializers:
            self._arrays[name] = numpy_helper.to_array(self._initializers[name])
        return self._arrays.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._quantised or name in self._initializers

    def real(self, name: str) -> np.ndarray:
        """The real values of a constant, float64."""
        if name in self._quantised:
            return self._quantised[name].real
        found = self._plain(name)
        assert found is not None, f"{name} is a constant"
        return found.astype(np.float64)

    def weights(self, name: str, node: Any) -> Quantised:
        """Quantised weights that `node` reads. PipelineError: they are not quantised."""
        if name in self._quantised:
            return self._quantised[name]
        values = self._plain(name)
        dtype = self._model.get_tensor_datatype(name)
        if values is None or not dtype.is_integer():
            raise PipelineError(
                f"{where(node)}: its weights are floats; quantise them (Quant, BipolarQuant)"
            )
        names = {"BINARY": "UINT1", "TERNARY": "INT2"}
        kind = DataType(names.get(dtype.name, dtype.name))
        return Quantised(values.astype(np.int64), np.ones(1), kind)


def _quantised(model: Any, node: Any) -> Quantised:
    """The output of a quantiser of a constant, rounded as QONNX' own execution does."""
    from qonnx.custom_op.general.quant import max_int, min_int, quant  # noqa: PLC0415

    values = np.asarray(model.get_initializer(node.input[0]), np.float32)
    inputs = [model.get_initializer(name) for name in node.input[1:]]
    if (why := _why_not(values, inputs)) is not None:
        raise PipelineError(f"{where(node)}: quantises a constant {list(values.shape)}, but {why}")
    scale = np.asarray(inputs[0], np.float64)
    if node.op_type == "BipolarQuant":
        return Quantised(np.where(values >= 0, 1, -1).astype(np.int64), scale, BIPOLAR)
    given = attributes(node)
    signed, narrow = bool(given.get("signed", 1)), bool(given.get("narrow", 0))
    rounding = given.get("rounding_mode", b"ROUND").decode()
    _, zero, bits = inputs
    if signed and bits.item() == 1:  # which QONNX executes as -1 and +1
        return Quantised(np.where(values >= 0, 1, -1).astype(np.int64), scale, BIPOLAR)
    found = quant(values, *inputs, signed, narrow, rounding)
    integers = np.rint(found.astype(np.float64) / scale).astype(np.int64)
    low = int(np.min(min_int(signed, narrow, bits)) - zero.max())
    high = int(np.max(max_int(signed, narrow, bits)) - zero.min())
    return Quantised(integers, scale, DataType.smallest(low, high))


def _why_not(values: np.ndarray, inputs: list[np.ndarray | None]) -> str | None:
    """Why numbers do not quantise `values`: scale, and if it is no BipolarQuant zero and bits."""
    given = [number for number in inputs if number is not None]
    if len(given) < len(inputs):
        return "its scale, zero point or bits are no constants"
    scale, *rest = given
    try:
        fits = np.broadcast_shapes(values.shape, *(x.shape for x in given)) == values.shape
    except ValueError:
        fits = False
    if not fits:
        return f"the shapes of its numbers {[list(x.shape) for x in given]} do not fit"
    if not np.all(scale > 0):
        return "its scale is not positive"
    if rest and not np.array_equal(rest[0], np.rint(rest[0])):
        return "its zero point is no whole number"
    if rest and (rest[1].size != 1 or rest[1].item() not in range(1, MOST_CONSTANT_BITS + 1)):
        return f"its bits are not one whole number from 1 to {MOST_CONSTANT_BITS}"
    return None
