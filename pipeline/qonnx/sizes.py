"""How large everything in a model gets, and its constants computed: within bounds, or refused.

A few bytes of a file may ask for any number of bytes of memory: a constant that is expanded, a sum
that doubles its terms, a window beyond the image. Nothing is computed before its size is known.
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
"""Left when constants are computed; the libraries' time grows with its square."""
MOST_ELEMENTS = 2**26
"""Of one tensor, and of the windows that a convolution reads: 256 MiB of float32."""
MOST_IN_ALL = 2**27
"""Of all tensors for one input; ResNet50 on 224x224 pixels has a third of that."""
MOST_PRODUCTS = 2**33
"""For one input; ResNet50 has half of that."""
_CONSTANT_MIB = 32
_GROWTH = 4
"""Constants computed take that many MiB, and so many times the bytes of the file's own."""
_MOST_LATER = 200_000
"""Nodes times nodes on constants that are left to qonnx, which looks through the graph for each."""

_NAMES = """
Abs Add And Cast Ceil Clip Concat ConstantOfShape Div Equal Exp Expand Flatten Floor Gather
Greater GreaterOrEqual Identity Less LessOrEqual Log MatMul Max Min Mod Mul Neg Not Or Pad Pow
Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Round Shape Sigmoid
Sign Size Slice Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze Where Xor
"""
_COMPUTED = frozenset(_NAMES.split())
"""Operators that are computed here where all they read is constant."""
_SHAPES = {"ConstantOfShape": 0, "Expand": 1, "Pad": 1, "Reshape": 1, "Tile": 1}
"""Operators that read a size, and where."""
_LATER_TOO = (*QUANTISERS, "QuantizeLinear", "DequantizeLinear")
"""Left to qonnx, also on constants: their scales and bits are what the network is made of."""
_PRODUCTS = ("Conv", "Gemm", "MatMul")
_WINDOWS = ("AveragePool", "Conv", "LpPool", "MaxPool")


class _Sizes:
    """Of one model, node by node in the order of computing."""

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
        """Tensors that depend on the input; the others, if not constants, come of quantisers."""
        self.left = _CONSTANT_MIB * 2**20 + _GROWTH * file_bytes
        self.elements = self.products = 0
        for name in self.of_input:
            self._count(f"input {name_of(name)}", self.shape(name))

    def shape(self, name: str) -> list[int]:
        return [x.dim_value for x in self.types[name].tensor_type.shape.dim]

    def computed(self, node: onnx.NodeProto, where: str) -> bool:
        """Whether the node is a constant now, with what it makes among `constants`."""
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
                f"{where}: reads constants alone, which is not computed for this operator; save "
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
        """Counts what a node makes that is no constant."""
        if any(name in self.of_input for name in node.input):
            self.of_input.update(node.output)
        self._infer(node, where)

    def _infer(self, node: onnx.NodeProto, where: str) -> None:
        """The types of what a node makes, and that they are allowed."""
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
                continue  # statistics of a BatchNormalization in training; nothing may read them
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
        """What a node reads as a size is a constant, and small enough to be multiplied."""
        at = _SHAPES.get(node.op_type)
        if at is None or at >= len(node.input) or not node.input[at]:
            return
        tensor = self.constants.get(node.input[at])
        if tensor is None:
            raise SpecError(
                f"{where}: reads a size, {name_of(node.input[at])}, that is no constant"
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
                f"{where}: with it the network keeps {self.elements:,} numbers for one input; "
                f"allowed are {MOST_IN_ALL:,}"
            )

    def _count_products(self, node: onnx.NodeProto, where: str) -> None:
        """Of sums of products, and of windows, which are laid out one beside the other."""
        out = self.shape(node.output[0])
        inner = 1
        if node.op_type in _WINDOWS:
            own = next((list(x.ints) for x in node.attribute if x.name == "kernel_shape"), None)
            weights = self.shape(node.input[1]) if node.op_type == "Conv" else [1, 1]
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
                f"{where}: with it the network takes {self.products:,} products for one input; "
                f"allowed are {MOST_PRODUCTS:,}"
            )


def bounded(model: onnx.ModelProto, file_bytes: int) -> None:
    """Computes constants in a rebuilt model of one input, at batch 1. SpecError: see above."""
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
                f"has {later:,} operators on constants among {len(kept):,}; allowed is a product "
                f"of both numbers of {_MOST_LATER:,}"
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
    """Makes the batch of the input 1; what it was."""
    constants = {x.name for x in model.graph.initializer}
    (source,) = (x for x in model.graph.input if x.name not in constants)
    first = source.type.tensor_type.shape.dim[0]
    batch: int = first.dim_value
    first.dim_value = 1
    return batch or 1


def _reshape_one(node: onnx.NodeProto, sizes: _Sizes, batch: int) -> None:
    """A shape that names the batch names 1."""
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
    """What a Constant holds."""
    if len(node.attribute) != 1:
        raise SpecError(f"{where}: has {len(node.attribute)} values; allowed: 1")
    (value,) = node.attribute
    if value.name == "value":
        return numpy_helper.to_array(value.t)
    kind = np.int64 if value.name.startswith("value_int") else np.float32
    return np.array(helper.get_attribute_value(value), kind)


def _size(node: onnx.NodeProto, shape: list[int]) -> Any:
    """What a Shape or a Size makes."""
    if node.op_type == "Size":
        return np.array(math.prod(shape), np.int64)
    ends = {x.name: x.i for x in node.attribute}
    return np.array(shape[ends.get("start", 0) : ends.get("end")], np.int64)


def _broadcast(shapes: list[list[int]]) -> list[int]:
    """The shape that NumPy makes of them, at most."""
    rank = max(len(shape) for shape in shapes)
    filled = [[1] * (rank - len(shape)) + shape for shape in shapes]
    return [max(sizes) for sizes in zip(*filled, strict=True)]


def _execute(node: onnx.NodeProto, version: int, values: dict[str, Any]) -> list[Any]:
    """What a node makes of constants, by ONNX Runtime, as qonnx would compute it."""
    import onnxruntime  # noqa: PLC0415 - most files have nothing to compute

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
    except Exception as error:  # noqa: BLE001 - of ONNX Runtime's own many kinds, without a base
        told = name_of(" ".join(str(error).split()))
        raise SpecError(f"node {name_of(node.name)} ({node.op_type}): {told}") from None
    return made
