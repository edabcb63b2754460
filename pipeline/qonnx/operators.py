"""The operators and attributes that a file may have. All others are refused.

These are listed operators of ONNX with the attributes of ONNX' schemas, but no control flow, random
numbers, text or sequences. `support` tells which of them have a hardware layer.
"""

from __future__ import annotations

import math
from typing import Any

import onnx
from onnx import AttributeProto, defs

from pipeline.errors import SpecError
from pipeline.qonnx.tensors import TYPES, rebuilt_tensor
from pipeline.qonnx.text import name_of, require_name

_NAMES = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization
BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Concat Constant
ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Det
Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU
Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater
GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity
InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log
LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean
MeanVarianceNormalization Min Mish Mod Mul Neg Not OneHot Or PRelu Pad Pow QLinearConv
QLinearMatMul QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
ReduceSumSquare Relu Reshape Resize ReverseSequence Round ScatterElements ScatterND Selu Shape
Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt
Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Upsample
Where Xor
"""
STANDARD = frozenset(_NAMES.split())
"""The operators of ONNX that a file may have."""
DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
"""The present and former names of the quantisers' domain. Some exporters use "" instead."""
_ROUNDING = {
    *("CEIL", "DOWN", "FLOOR", "HALF_DOWN", "HALF_EVEN", "HALF_UP", "ROUND", "UP"),
}
_INTEGER = {"signed": (0, 1), "narrow": (0, 1), "rounding_mode": _ROUNDING}
QUANTISERS: dict[str, dict[str, Any]] = {
    "Quant": _INTEGER,
    "IntQuant": _INTEGER,
    "Trunc": _INTEGER,
    "BipolarQuant": {},
    "FloatQuant": {
        **dict.fromkeys(("has_inf", "has_nan", "has_subnormal", "saturation"), (0, 1)),
        "rounding_mode": _ROUNDING,
    },
}
"""QONNX' quantisers and the values of their attributes. Case does not matter in rounding_mode."""
_INPUTS = {
    "Quant": (4, 4),
    "IntQuant": (4, 4),
    "Trunc": (5, 6),
    "BipolarQuant": (2, 2),
    "FloatQuant": (4, 6),
}
"""The smallest and largest number of inputs of each."""
VERSIONS = {"": (7, defs.onnx_opset_version()), **dict.fromkeys(DOMAINS, (1, 2))}
"""The first and last known opset of each domain."""

_WORDS = {
    "auto_pad": {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"},
    "mode": {
        *("constant", "reflect", "edge", "wrap", "nearest", "linear", "cubic", "bilinear"),
        *("bicubic", "DCR", "CRD"),
    },
    "direction": {"forward", "reverse", "bidirectional", "LEFT", "RIGHT"},
    "reduction": {"none", "add", "mul", "min", "max"},
    "approximate": {"none", "tanh"},
    "padding_mode": {"zeros", "border", "reflection"},
    "nearest_mode": {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"},
    "keep_aspect_ratio_policy": {"stretch", "not_larger", "not_smaller"},
    "coordinate_transformation_mode": {
        *("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners"),
        *("asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"),
    },
}
"""The allowed values of attributes that are words. Other such attributes are refused."""
_POSITIVE = {
    *("block_size", "blocksize", "dilations", "group", "hidden_size", "kernel_shape"),
    *("num_groups", "num_outputs", "output_shape", "size", "strides"),
}
_NOT_NEGATIVE = {"output_padding", "storage_order"}
_ANY_INTEGER = {"starts", "ends", "value_int", "value_ints"}
"""Attributes of any integer: for example, a slice up to the end has the greatest integer."""
_MOST = 2**31 - 1
_SIZE = 65_536
"""The largest kernel, stride or padding, larger than any image."""
_TENSORS = ("Constant", "ConstantOfShape")
"""The operators whose attribute may be a tensor."""
_KINDS = {
    defs.OpSchema.AttrType.FLOAT: AttributeProto.FLOAT,
    defs.OpSchema.AttrType.INT: AttributeProto.INT,
    defs.OpSchema.AttrType.STRING: AttributeProto.STRING,
    defs.OpSchema.AttrType.TENSOR: AttributeProto.TENSOR,
    defs.OpSchema.AttrType.FLOATS: AttributeProto.FLOATS,
    defs.OpSchema.AttrType.INTS: AttributeProto.INTS,
}
"""The allowed kinds of attributes: no graphs, no lists of texts, nothing sparse."""
_PAYLOAD = {
    AttributeProto.FLOAT: "f",
    AttributeProto.INT: "i",
    AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t",
    AttributeProto.FLOATS: "floats",
    AttributeProto.INTS: "ints",
}
"""The field of an attribute that holds a value of each kind."""


def rebuilt_node(node: onnx.NodeProto, number: int, versions: dict[str, int]) -> onnx.NodeProto:
    """Makes the node anew from its known parts. SpecError: it has others."""
    kind = name_of(node.op_type)
    where = f"node {name_of(node.name) or number} ({kind})"
    domain = "" if node.domain == "ai.onnx" else node.domain
    made = onnx.NodeProto(op_type=node.op_type, domain=domain, name=node.name)
    if node.name:
        require_name(node.name, "a node's name")
    made.input.extend(require_name(x, f"{where}: an input") if x else "" for x in node.input)
    made.output.extend(require_name(x, f"{where}: an output") if x else "" for x in node.output)
    if node.overload:
        raise SpecError(f"{where}: has an overload; functions of the model's own are not taken")
    if node.op_type in QUANTISERS and domain in ("", *DOMAINS):
        given = _Attributes(node, where, made)
        for attribute in node.attribute:
            given.quantiser(attribute, QUANTISERS[node.op_type])
        _require_count(where, "inputs", len(node.input), *_INPUTS[node.op_type])
        _require_count(where, "outputs", len(node.output), 1, 1)
        return made
    if domain != "":
        raise SpecError(
            f"{where}: domain {name_of(node.domain)!r}: allowed are ONNX' own operators, and "
            f"{', '.join(QUANTISERS)} of {', '.join(DOMAINS)}"
        )
    if node.op_type not in STANDARD or not defs.has(node.op_type, versions[""], ""):
        raise SpecError(
            f"{where}: this operator is not allowed in opset {versions['']}; allowed are ONNX' "
            "operators on numbers, without control flow, random numbers, text and sequences, and "
            f"{', '.join(QUANTISERS)}"
        )
    schema = defs.get_schema(node.op_type, versions[""], "")
    given = _Attributes(node, where, made)
    for attribute in node.attribute:
        given.standard(attribute, schema)
    missing = [x for x, spec in schema.attributes.items() if spec.required and x not in given.names]
    if missing:
        raise SpecError(f"{where}: its attribute {missing[0]} is missing")
    _require_count(where, "inputs", len(node.input), schema.min_input, schema.max_input)
    _require_count(where, "outputs", len(node.output), schema.min_output, schema.max_output)
    return made


def _require_count(where: str, what: str, count: int, least: int, most: int) -> None:
    if not least <= count <= most:
        allowed = str(least) if least == most else f"{least} to {most}"
        raise SpecError(f"{where}: has {count} {what}; allowed: {allowed}")


class _Attributes:
    """Checks the attributes of one node, one after the other, and adds them to `made`."""

    def __init__(self, node: onnx.NodeProto, where: str, made: onnx.NodeProto) -> None:
        self.op_type, self.where, self.made = node.op_type, where, made
        self.names: set[str] = set()

    def quantiser(self, attribute: onnx.AttributeProto, allowed: dict[str, Any]) -> None:
        words = isinstance(allowed.get(attribute.name), set)
        kind = AttributeProto.STRING if words else AttributeProto.INT
        value = self._value(attribute, allowed, kind)
        known = value.decode(errors="replace").upper() if words else value
        if known not in allowed[attribute.name]:
            self._refuse(
                attribute.name, value, ", ".join(map(str, sorted(allowed[attribute.name])))
            )
        self._add(attribute.name, kind, value)

    def standard(self, attribute: onnx.AttributeProto, schema: defs.OpSchema) -> None:
        key = attribute.name
        kinds = {name: _KINDS.get(spec.type) for name, spec in schema.attributes.items()}
        taken = {
            name: kind
            for name, kind in kinds.items()
            if kind is not None and (kind != AttributeProto.TENSOR or self.op_type in _TENSORS)
        }
        kind = taken.get(key)
        value = self._value(attribute, taken, kind)
        if kind == AttributeProto.STRING:
            allowed = _WORDS.get(key, set())
            if value.decode(errors="replace") not in allowed:
                self._refuse(key, value, ", ".join(sorted(allowed)) or "none")
        elif kind == AttributeProto.TENSOR:
            value = rebuilt_tensor(value, f"{self.where}: {key}")
        elif kind in (AttributeProto.FLOAT, AttributeProto.FLOATS):
            for number in value if kind == AttributeProto.FLOATS else (value,):
                if not math.isfinite(number):
                    self._refuse(key, number, "finite numbers")
        else:
            self._integers(key, value if kind == AttributeProto.INTS else (value,))
        self._add(key, kind, value)

    def _integers(self, key: str, values: Any) -> None:
        if key in _ANY_INTEGER:
            return
        least, most = -_MOST - 1, _MOST
        if key in _POSITIVE:
            least, most = 1, _SIZE
        elif key in _NOT_NEGATIVE or (key == "pads" and self.op_type != "Pad"):
            least, most = 0, _SIZE
        for value in values:
            if not least <= value <= most:
                self._refuse(key, value, f"{least} to {most}")
            if key in ("to", "dtype", "output_dtype") and value not in TYPES:
                self._refuse(key, value, ", ".join(f"{x} ({TYPES[x]})" for x in TYPES))

    def _value(self, attribute: onnx.AttributeProto, allowed: Any, kind: Any) -> Any:
        """The value of an attribute. SpecError: it is not of this kind, or has other fields."""
        key = require_name(attribute.name, f"{self.where}: an attribute")
        if kind is None or key not in allowed:
            raise SpecError(
                f"{self.where}: attribute {name_of(key)}; allowed: {', '.join(allowed) or 'none'}"
            )
        if key in self.names:
            raise SpecError(f"{self.where}: attribute {key} is there twice")
        self.names.add(key)
        field = _PAYLOAD[kind]
        found = {x.name for x, _ in attribute.ListFields()} - {"name", "type", "doc_string"}
        if attribute.type != kind or not found <= {field}:
            told = AttributeProto.AttributeType.Name(kind)
            raise SpecError(f"{self.where}: attribute {key} must be of type {told} only")
        return getattr(attribute, field)

    def _refuse(self, key: str, value: Any, allowed: str) -> None:
        shown = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        raise SpecError(f"{self.where}: {key} = {name_of(shown)}; allowed: {allowed}")

    def _add(self, key: str, kind: Any, value: Any) -> None:
        made = self.made.attribute.add(name=key, type=kind)
        field = _PAYLOAD[kind]
        if kind == AttributeProto.TENSOR:
            made.t.CopyFrom(value)
        elif kind in (AttributeProto.INTS, AttributeProto.FLOATS):
            getattr(made, field).extend(value)
        else:
            setattr(made, field, value)
