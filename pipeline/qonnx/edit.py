"""Small changes to the QONNX graph in a qonnx ModelWrapper."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from onnx import helper

QUANTISERS = ("Quant", "IntQuant", "BipolarQuant")


_INSIDE = {"act_quant", "activation_impl", "export_handler", "tensor_quant"}
"""Parts of a layer's path that Brevitas adds."""


def note_origin(model: Any) -> None:
    """Notes in each node's doc string what its exporter called it, since cleaning renames nodes."""
    for node in model.graph.node:
        paths = [name for name in (node.name, *node.output) if "/" in name]
        if paths:
            parts = [x for x in paths[0].split("/")[:-1] if x and x not in _INSIDE]
            # below a Sequential torch repeats its name: /features/features.1/conv
            pairs = zip_longest(parts, parts[1:], fillvalue="")
            parts = [part for part, after in pairs if not after.startswith(f"{part}.")]
            node.doc_string = f"layer {'.'.join(parts)}" if parts else ""
        elif node.name:
            node.doc_string = f"named {node.name}"


def where(node: Any) -> str:
    """A node in words: its name and operator, and the layer of the user's module, where known."""
    origin = node.doc_string
    if origin and origin != f"named {node.name}":
        return f"{node.name} ({node.op_type}, {origin})"
    return f"{node.name} ({node.op_type})"


def attributes(node: Any) -> dict[str, Any]:
    return {x.name: helper.get_attribute_value(x) for x in node.attribute}


def set_attributes(node: Any, **values: Any) -> None:
    """Sets the given attributes of a node. Its other attributes stay."""
    kept = [x for x in node.attribute if x.name not in values]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(*entry) for entry in values.items())])


def end_at(model: Any, tensor: str) -> None:
    """Makes `tensor` the output of the graph in place of the last one."""
    value = model.get_tensor_valueinfo(tensor)
    dtype = model.get_tensor_datatype(tensor)
    model.graph.output.pop()
    model.graph.output.append(value)
    if value in model.graph.value_info:
        model.graph.value_info.remove(value)
    model.set_tensor_datatype(tensor, dtype)


def bypass(model: Any, node: Any) -> None:
    source, target = node.input[0], node.output[0]
    model.graph.node.remove(node)
    if target == model.graph.output[0].name:
        end_at(model, source)
    for reader in model.graph.node:
        reader.input[:] = [source if name == target else name for name in reader.input]
