"""Makes a model anew from the known parts of a file's model.

The libraries that read ONNX evaluate text in a file, import modules and start programs that it
names, and reserve as much memory as it asks for. So they never get the file's own model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import onnx

from pipeline.errors import SpecError
from pipeline.qonnx.operators import VERSIONS, rebuilt_node
from pipeline.qonnx.tensors import MOST_DIMS, rebuilt_tensor, require_type
from pipeline.qonnx.text import name_of, require_name

_IR_VERSIONS = (3, onnx.IR_VERSION)
_LARGEST_DIM = 2**31 - 1
_DATATYPE = re.compile(
    r"BINARY|BIPOLAR|TERNARY|FLOAT32|FLOAT16|U?INT[1-9]\d?|SCALEDINT<[1-9]\d?>"
    r"|FIXED<[1-9]\d?,\d\d?>|FLOAT<\d\d?,\d\d?(,\d{1,3})?>"
)
"""The allowed values of qonnx' annotation `finn_datatype`."""
_LAYOUTS = {"".join(layout): str([*layout]) for layout in ("NHWC", "NCHW", "NCW", "NWC", "NC", "")}
"""The allowed values of `tensor_layout` as qonnx writes them, by their letters."""
_KEPT = {
    "ModelProto": {"ir_version", "opset_import", "graph"},
    "GraphProto": {"node", "name", "initializer", "input", "output", "quantization_annotation"},
    "NodeProto": {"input", "output", "name", "op_type", "domain", "attribute", "overload"},
}
_SILENT = {"producer_name", "producer_version", "domain", "model_version", "value_info"}
"""Fields that are dropped silently: names of the exporter, and shapes, which are inferred again."""
_TOLD = {
    "doc_string": "doc strings",
    "metadata_props": "metadata",
    "training_info": "training information",
    "functions": "functions",
    "device_configurations": "device configurations",
    "configuration": "device configurations",
    "sparse_initializer": "sparse constants",
}
_MOST_TOLD = 8


@dataclass(frozen=True)
class Rebuilt:
    """A model made anew. left_out: in words, the parts of the file that are not in it."""

    model: onnx.ModelProto
    left_out: tuple[str, ...]


def rebuilt(model: onnx.ModelProto) -> Rebuilt:
    """Makes the network anew. SpecError: something in it is unknown or contradicts itself."""
    graph = model.graph
    least, most = _IR_VERSIONS
    if not least <= model.ir_version <= most:
        raise SpecError(f"is of IR version {model.ir_version}; known are {least} to {most}")
    left_out = Counter(_left_out(model))
    versions = _versions(model, left_out)
    made = onnx.ModelProto(ir_version=model.ir_version)
    made.graph.name = "network"
    for domain, version in versions.items():
        made.opset_import.add(domain=domain, version=version)
    for tensor in graph.initializer:
        what = f"constant {require_name(tensor.name, 'a constant')}"
        made.graph.initializer.append(rebuilt_tensor(tensor, what))
    for value in graph.input:
        made.graph.input.append(_rebuilt_value(value, "input"))
    for number, node in enumerate(graph.node):
        made.graph.node.append(rebuilt_node(node, number, versions))
    for value in graph.output:
        made.graph.output.append(_rebuilt_value(value, "output"))
    names = _require_order(made.graph)
    made.graph.quantization_annotation.extend(_annotations(graph, names, left_out))
    told = [f"{what} ({count})" if count > 1 else what for what, count in left_out.items()]
    more = [f"{len(told) - _MOST_TOLD} more"] if len(told) > _MOST_TOLD else []
    return Rebuilt(made, (*told[:_MOST_TOLD], *more))


def _versions(model: onnx.ModelProto, left_out: Counter[str]) -> dict[str, int]:
    """The opset of each domain. ONNX' own is the first, since qonnx expects that."""
    found: dict[str, int] = {}
    for opset in model.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        if domain in found:
            raise SpecError(f"imports the opset of {name_of(domain) or 'ONNX'!r} twice")
        if domain not in VERSIONS:
            left_out[f"opset of {name_of(domain)}"] += 1
            continue
        least, most = VERSIONS[domain]
        if not least <= opset.version <= most:
            raise SpecError(
                f"imports opset {opset.version} of {domain or 'ONNX'}; known are {least} to {most}"
            )
        found[domain] = opset.version
    if "" not in found:
        raise SpecError("does not say which opset of ONNX it is in")
    return {"": found.pop(""), **found}


def _rebuilt_value(value: onnx.ValueInfoProto, what: str) -> onnx.ValueInfoProto:
    what = f"{what} {require_name(value.name, f'an {what}')}"
    if value.type.WhichOneof("value") != "tensor_type":
        raise SpecError(f"{what} is no tensor")
    tensor = value.type.tensor_type
    require_type(tensor.elem_type, what)
    made = onnx.ValueInfoProto(name=value.name)
    made.type.tensor_type.elem_type = tensor.elem_type
    made.type.tensor_type.shape.SetInParent()
    if len(tensor.shape.dim) > MOST_DIMS:
        raise SpecError(f"{what} has {len(tensor.shape.dim)} dimensions; {MOST_DIMS} at most")
    for dim in tensor.shape.dim:
        size = made.type.tensor_type.shape.dim.add()
        if dim.dim_param:
            size.dim_param = require_name(dim.dim_param, f"{what}: the name of a dimension")
        elif not 0 <= dim.dim_value <= _LARGEST_DIM:
            raise SpecError(f"{what} has a dimension of {dim.dim_value}; allowed: 1 and more")
        elif dim.dim_value:
            size.dim_value = dim.dim_value
    return made


def _require_order(graph: onnx.GraphProto) -> set[str]:
    """All names of tensors. SpecError: one is made twice, never, or after it is read."""
    constants = {x.name for x in graph.initializer}
    if len(constants) != len(graph.initializer):
        raise SpecError("has two constants of one name")
    known = constants | {x.name for x in graph.input}
    if len({x.name for x in graph.input}) != len(graph.input):
        raise SpecError("has two inputs of one name")
    for number, node in enumerate(graph.node):
        where = f"node {name_of(node.name) or number} ({node.op_type})"
        for name in node.input:
            if name and name not in known:
                raise SpecError(
                    f"{where}: reads {name_of(name)}, which no node before it makes (nodes must be "
                    "in the order of computing, without circles)"
                )
        for name in node.output:
            if name in known:
                raise SpecError(f"{where}: makes {name_of(name)}, which exists already")
            if name:
                known.add(name)
        if not node.output or not node.output[0]:
            raise SpecError(f"{where}: makes nothing")
    made = known - constants - {x.name for x in graph.input}
    for value in graph.output:
        if value.name not in made:
            raise SpecError(f"no node makes its output {name_of(value.name)}, or it is one twice")
        made.remove(value.name)
    return known


def _annotations(
    graph: onnx.GraphProto, names: set[str], left_out: Counter[str]
) -> Iterator[onnx.TensorAnnotation]:
    """The annotations of tensors, made anew: at most one datatype and one layout for each."""
    seen: set[tuple[str, str]] = set()
    made: dict[str, onnx.TensorAnnotation] = {}
    for annotation in graph.quantization_annotation:
        name = annotation.tensor_name
        for pair in annotation.quant_parameter_tensor_names:
            value = _annotation(pair.key, pair.value)
            if value is None or name not in names or (name, pair.key) in seen:
                left_out[f"annotation {name_of(pair.key)}"] += 1
                continue
            seen.add((name, pair.key))
            note = made.setdefault(name, onnx.TensorAnnotation(tensor_name=name))
            note.quant_parameter_tensor_names.add(key=pair.key, value=value)
    yield from made.values()


def _annotation(key: str, value: str) -> str | None:
    """The value of an annotation in its usual form; None if it is not allowed."""
    if key == "finn_datatype":
        plain = value.replace(" ", "")
        return plain if _DATATYPE.fullmatch(plain) else None
    if key == "tensor_layout" and len(value) <= 40:
        # 'UNKNOWN' is an empty list
        return _LAYOUTS.get(re.sub(r"[\[\]'\", ]", "", value))
    return None


def _left_out(model: onnx.ModelProto) -> Iterator[str]:
    """The parts of a file that are left out, in words."""
    yield from _unknown(model)
    yield from _unknown(model.graph)
    for node in model.graph.node:
        yield from _unknown(node)
        for attribute in node.attribute:
            if attribute.doc_string:
                yield _TOLD["doc_string"]
    for part in (model.graph.initializer, model.graph.input, model.graph.output):
        for value in part:
            for key in ("doc_string", "metadata_props"):
                if getattr(value, key):
                    yield _TOLD[key]


def _unknown(message: Any) -> Iterator[str]:
    kept = _KEPT[type(message).__name__] | _SILENT
    for field, _ in message.ListFields():
        if field.name not in kept:
            yield _TOLD.get(field.name, field.name)
