"""Computes the constants of a model and the size of everything in it; refuses what is too large.

A few bytes in a file may ask for any amount of memory: a constant that is expanded, a sum that
doubles its terms, a window larger than the image. Nothing is computed before its size is known.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, numpy_helper
from onnx.checker import ValidationError
from onnx.shape_inference import InferenceError, infer_node_outputs

from pipeline.errors import SpecError
from pipeline.qonnx.operators import QUANTISERS
from pipeline.qonnx.tensors import elements, from_array
from pipeline.qonnx.text import name_of

MOST_NODES = 2000
"""The most nodes after constants are computed. The libraries' time grows with their square."""
MOST_ELEMENTS = 2**26
"""The most elements of a tensor, and of all windows of a convolution: 256 MiB of float32."""
MOST_IN_ALL = 2**27
"""The most elements of all tensors for one input. ResNet50 on 224x224 pixels has a third of it."""
MOST_PRODUCTS = 2**33
"""The most multiplications for one input. ResNet50 has half of that."""
_CONSTANT_MIB = 32
_GROWTH = 4
"""Computed constants may take so many MiB, and so many times the bytes of the file in addition."""
_MOST_LATER = 200_000
"""The largest product of the number of nodes and of those on constants that are left to qonnx,
which searches the whole graph for each."""

_NAMES = """
Abs Add And Cast Ceil Clip Concat ConstantOfShape Div Equal Exp Expand Flatten Floor Gather
Greater GreaterOrEqual Identity Less LessOrEqual Log MatMul Max Min Mod Mul Neg Not Or Pad Pow
Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Round Shape Sigmoid
Sign Size Slice Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze Where Xor
"""
_COMPUTED = frozenset(_NAMES.split())
"""Operators that are computed here if all their inputs are constants."""
_SHAPES = {"ConstantOfShape": 0, "Expand": 1, "Pad": 1, "Reshape": 1, "Tile": 1}
"""Operators one of whose inputs is a size, and the number of that input."""
_LATER_TOO = (*QUANTISERS, "QuantizeLinear", "DequantizeLinear")
"""Operators that are left to qonnx even if their inputs are constants, since the network needs
their scales and bits."""
_PRODUCTS = ("Conv", "Gemm", "MatMul")
_WINDOWS = ("AveragePool", "Conv", "LpPool", "MaxPool")


class _Sizes:
    """The sizes in one model. Nodes are added one by one in the order of computing."""

    def __init__(self, model: onnx.ModelProto, file_bytes: int) -> None:
        graph = model.graph
        self.versions = {x.domain: x.version for x in model.opset_import}
        self.constants = {x.name: x for x in graph.initializer}
        self.types = {
            x.name: helper.make_tensor_type_proto(x.data_type, list(x.dims))
            for x in graph.initializer
        }
        self.types |= {x.name: x.type for x in graph.input if x.name not in self.constants}
        self.of_input = {x.name for x in graph.input if x.name not in self.constants}
        """Tensors that depend on the input. All others are constants or results of quantisers."""
        self.left = _CONSTANT_MIB * 2**20 + _GROWTH * file_bytes
        self.elements = self.products = 0
        for name in self.of_input:
            self._count(f"input {name_of(name)}", self.shape(name))

    def shape(self, name: str) -> list[int]:
        return [x.dim_value for x in self.types[name].tensor_type.shape.dim]

    def computed(self, node: onnx.NodeProto, where: str) -> bool:
        """Computes the node if all its inputs are constants; returns whether it did."""
        if node.op_type == "Constant":
            self._add(node, where, [_constant(node, where)])
            return True
        read = [name for name in node.input if name]
        if node.op_type in ("Shape", "Size"):
            self._require_known(node, where)
            self._add(node, where, [_size(node, self.shape(node.input[0]))])
            return True
        if node.op_type in _LATER_TOO or not all(name in self.constants for name in read):
            return False
        if node.op_type not in _COMPUTED or not read:
            raise SpecError(
                f"{where}: reads only constants, and this operator is not computed here; save "
                "the model with its constants folded"
            )
        self._infer(node, where)
        values = {name: numpy_helper.to_array(self.constants[name]) for name in read}
        self._add(node, where, _execute(node, self.versions[""], values))
        return True

    def _add(self, node: onnx.NodeProto, where: str, values: list[Any]) -> None:
        for name, value in zip(node.output, values, strict=False):
            if not name:
                continue
            self._spend(where, value.nbytes)
            tensor = from_array(value, name, where)
            told = self.types.get(name)
            if told is not None and self.shape(name) != list(tensor.dims):
                raise SpecError(f"{where}: makes {list(tensor.dims)}, not {self.shape(name)}")
            self.constants[name] = tensor
            self.types[name] = helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))

    def _spend(self, where: str, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise SpecError(
                f"{where}: its constants would take {count / 2**20:,.0f} MiB more; allowed are "
                f"{_CONSTANT_MIB} MiB and {_GROWTH} times the file's own in all"
            )

    def take(self, node: onnx.NodeProto, where: str) -> None:
        """Counts the outputs of a node that is not a constant."""
        if any(name in self.of_input for name in node.input):
            self.of_input.update(node.output)
        self._infer(node, where)

    def _infer(self, node: onnx.NodeProto, where: str) -> None:
        """Infers the types of a node's outputs, and requires that they are allowed."""
        self._require_known(node, where)
        if node.op_type in QUANTISERS:
            shapes = [self.shape(name) for name in node.input if name]
            wide = _broadcast(shapes)
            self._count(where, wide)
            self.types[node.output[0]] = helper.make_tensor_type_proto(
                TensorProto.FLOAT, self.shape(node.input[0])
            )
            return
        self._require_sizes(node, where)
        given = {name: self.types[name] for name in node.input if name}
        known = {name: self.constants[name] for name in given if name in self.constants}
        schema = defs.get_schema(node.op_type, self.versions[""], "")
        opsets = [helper.make_opsetid("", self.versions[""])]
        try:
            made = infer_node_outputs(schema, node, given, known, opset_imports=opsets)
        except (InferenceError, ValidationError, ValueError, RuntimeError) as error:
            told = name_of(" ".join(str(error).split()).removeprefix("[ShapeInferenceError] "))
            raise SpecError(f"{where}: its shapes do not agree: {told}") from None
        for name in node.output:
            if not name:
                continue
            kind = made.get(name, onnx.TypeProto())
            if name not in made and name != node.output[0]:
                continue  # statistics of a BatchNormalization in training, which nothing may read
            tensor = kind.tensor_type
            fixed = all(size.HasField("dim_value") for size in tensor.shape.dim)
            if not fixed or not tensor.HasField("shape"):
                raise SpecError(f"{where}: the shape of {name_of(name)} is not fixed by the file")
            self.types[name] = kind
            self._count(where, self.shape(name), self.computing(node))
        self._count_products(node, where)

    def _require_known(self, node: onnx.NodeProto, where: str) -> None:
        for name in node.input:
            if name and name not in self.types:
                raise SpecError(f"{where}: the shape of {name_of(name)} is not known")

    def computing(self, node: onnx.NodeProto) -> bool:
        return all(name in self.constants for name in node.input if name)

    def _require_sizes(self, node: onnx.NodeProto, where: str) -> None:
        """Requires that a size which a node reads is a constant and not too large."""
        at = _SHAPES.get(node.op_type)
        if at is None or at >= len(node.input) or not node.input[at]:
            return
        tensor = self.constants.get(node.input[at])
        if tensor is None:
            raise SpecError(
                f"{where}: reads a size, {name_of(node.input[at])}, that is not constant"
            )
        values = numpy_helper.to_array(tensor)
        if values.size > 64 or np.abs(values.astype(np.float64)).max(initial=0) >= 2**31:
            raise SpecError(f"{where}: reads a size of more than 64 numbers, or beyond 2^31")

    def _count(self, where: str, shape: list[int], constant: bool = False) -> None:
        count = elements(shape, where)
        if count > MOST_ELEMENTS:
            raise SpecError(
                f"{where}: makes {'x'.join(map(str, shape))} = {count:,} numbers; allowed are "
                f"{MOST_ELEMENTS:,}"
            )
        if constant:
            if count * 8 > self.left:
                self._spend(where, count * 8)
            return
        self.elements += count
        if self.elements > MOST_IN_ALL:
            raise SpecError(
                f"{where}: up to here the network keeps {self.elements:,} numbers for one input; "
                f"allowed are {MOST_IN_ALL:,}"
            )

    def _count_products(self, node: onnx.NodeProto, where: str) -> None:
        """Counts the multiplications of a node, and the elements of all its windows together."""
        out = self.shape(node.output[0])
        inner = 1
        if node.op_type in _WINDOWS:
            own = next((list(x.ints) for x in node.attribute if x.name == "kernel_shape"), None)
            weights = self.shape(node.input[1]) if node.op_type == "Conv" else [1, 1]
            if len(weights) < 2:
                raise SpecError(
                    f"{where}: has weights {weights}; those of a convolution are [outputs, "
                    "inputs, height, width]"
                )
            inner = math.prod(own or weights[2:]) * weights[1]
            windows = inner * math.prod(out[:1] + out[2:])
            if node.op_type == "Conv" and windows > MOST_ELEMENTS:
                raise SpecError(
                    f"{where}: its windows are {windows:,} numbers; allowed are {MOST_ELEMENTS:,}"
                )
        elif node.op_type in _PRODUCTS:
            left = self.shape(node.input[0])
            turned = any(x.name == "transA" and x.i for x in node.attribute)
            inner = left[0 if turned else -1] if left else 1
        self.products += inner * math.prod(out)
        if self.products > MOST_PRODUCTS:
            raise SpecError(
                f"{where}: up to here the network takes {self.products:,} products for one input; "
                f"allowed are {MOST_PRODUCTS:,}"
            )


def bounded(model: onnx.ModelProto, file_bytes: int) -> None:
    """Computes the constants of a rebuilt model, and sets its batch to 1.

    SpecError: something in the model is too large, or its size is unknown.
    """
    graph = model.graph
    batch = _one_input(model)
    sizes = _Sizes(model, file_bytes)
    kept, later = [], 0
    for number, node in enumerate(graph.node):
        where = f"node {name_of(node.name) or number} ({node.op_type})"
        if sizes.computed(node, where):
            continue
        if batch != 1 and node.op_type == "Reshape":
            _reshape_one(node, sizes, batch)
        sizes.take(node, where)
        kept.append(node)
        later += node.output[0] not in sizes.of_input
        if len(kept) > MOST_NODES:
            raise SpecError(f"has more than {MOST_NODES:,} operators that are no constants")
        if later * len(kept) > _MOST_LATER:
            raise SpecError(
                f"has {later:,} operators on constants among {len(kept):,}; the product of both "
                f"numbers may be at most {_MOST_LATER:,}"
            )
    made = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(made)
    read = {name for node in made for name in node.input} | {x.name for x in graph.output}
    tensors = [tensor for name, tensor in sizes.constants.items() if name in read]
    del graph.initializer[:]
    graph.initializer.extend(tensors)
    (source,) = (x for x in graph.input if x.name in sizes.of_input)
    del graph.input[:]
    graph.input.append(source)
    for value in graph.output:
        if value.name not in sizes.types:
            raise SpecError(f"the shape of its output {name_of(value.name)} is not known")
        value.type.CopyFrom(sizes.types[value.name])


def _one_input(model: onnx.ModelProto) -> int:
    """Sets the batch of the input to 1, and returns what it was."""
    constants = {x.name for x in model.graph.initializer}
    (source,) = (x for x in model.graph.input if x.name not in constants)
    first = source.type.tensor_type.shape.dim[0]
    batch: int = first.dim_value
    first.dim_value = 1
    return batch or 1


def _reshape_one(node: onnx.NodeProto, sizes: _Sizes, batch: int) -> None:
    """Replaces the batch by 1 in the shape that a Reshape reads."""
    tensor = sizes.constants.get(node.input[1]) if len(node.input) > 1 else None
    if tensor is None or node.input[0] not in sizes.of_input:
        return
    values = numpy_helper.to_array(tensor)
    if values.size and values.flat[0] == batch:
        name = f"{node.output[0]}_shape_of_one"
        changed = values.copy()
        changed.flat[0] = 1
        sizes.constants[name] = numpy_helper.from_array(changed, name)
        sizes.types[name] = helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        node.input[1] = name


def _constant(node: onnx.NodeProto, where: str) -> Any:
    """The value of a Constant."""
    if len(node.attribute) != 1:
        raise SpecError(f"{where}: has {len(node.attribute)} values; allowed: 1")
    (value,) = node.attribute
    if value.name == "value":
        return numpy_helper.to_array(value.t)
    kind = np.int64 if value.name.startswith("value_int") else np.float32
    return np.array(helper.get_attribute_value(value), kind)


def _size(node: onnx.NodeProto, shape: list[int]) -> Any:
    """The output of a Shape or a Size."""
    if node.op_type == "Size":
        return np.array(math.prod(shape), np.int64)
    ends = {x.name: x.i for x in node.attribute}
    return np.array(shape[ends.get("start", 0) : ends.get("end")], np.int64)


def _broadcast(shapes: list[list[int]]) -> list[int]:
    """The largest shape to which NumPy may broadcast these shapes."""
    rank = max(len(shape) for shape in shapes)
    filled = [[1] * (rank - len(shape)) + shape for shape in shapes]
    return [max(sizes) for sizes in zip(*filled, strict=True)]


def _execute(node: onnx.NodeProto, version: int, values: dict[str, Any]) -> list[Any]:
    """The outputs of a node on constants, computed by ONNX Runtime, as qonnx would do."""
    import onnxruntime  # noqa: PLC0415 - most files have no constants to compute

    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for name, x in values.items()
    ]
    ends = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], "one", infos, ends)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        made: list[Any] = session.run(None, values)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common base class
        told = name_of(" ".join(str(error).split()))
        raise SpecError(f"node {name_of(node.name)} ({node.op_type}): {told}") from None
    return made
