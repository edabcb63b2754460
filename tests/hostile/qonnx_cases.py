"""Hostile QONNX files. Each is a proper network with one change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from tests.export.qonnx_files import CUSTOM, mlp

MARK = "RAN"
"""A file beside the network. It is made if code of the network is run."""
BESIDE = "beside.bin"
"""Another file beside the network, which nothing may read."""


@dataclass(frozen=True)
class Case:
    """A hostile file.

    change: changes a proper model, in a folder; returns bytes if a model object cannot hold them.
    words: a part of its one error. before: what it did until models were made anew.
    """

    name: str
    words: str
    before: str
    change: Callable[[Any, Path], bytes | None]

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = mlp(folder / "honest.onnx")
        model = onnx.load(str(path))
        path.unlink()
        changed = self.change(model, folder)
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString() if changed is None else changed)
        return path


_CASES: list[Case] = []


def _case(words: str, before: str) -> Callable[[Callable[[Any, Path], bytes | None]], None]:
    def add(change: Callable[[Any, Path], bytes | None]) -> None:
        _CASES.append(Case(change.__name__.replace("_", " "), words, before, change))

    return add


def cases() -> Iterator[Case]:
    yield from _CASES


def _constant(model: Any, name: str, value: Any) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def _first(model: Any, kind: str, inputs: list[str], outputs: int = 1, **more: Any) -> Any:
    """Inserts a first node whose output nothing reads."""
    number = len(model.graph.node)
    made = [f"made{number}_{i}" for i in range(outputs)]
    node = helper.make_node(kind, inputs, made, f"bad_{number}", **more)
    model.graph.node.insert(0, node)
    return node


def _sized(model: Any, kind: str, *sizes: int) -> None:
    _first(model, kind, [_constant(model, "one", np.array([1], np.float32)),
                         _constant(model, "sizes", np.array(sizes, np.int64))])  # fmt: skip


@_case("domain 'finn.custom_op.fpgadataflow.hls'", "the program ran")
def backend_node_with_a_program(model: Any, folder: Path) -> None:
    script = folder / "program.sh"
    script.write_text(f"#!/bin/sh\ntouch '{folder / MARK}'\n")
    script.chmod(0o755)
    domain = "finn.custom_op.fpgadataflow.hls"
    _constant(model, "extra", np.ones((1, 4), np.float32))
    node = _first(
        model, "LabelSelect_hls", ["extra"], domain=domain, Labels=4, PE=1, K=1,
        inputDataType="UINT4", numInputVectors=[1], exec_mode="cppsim",
        code_gen_dir_cppsim=str(folder), executable_path=str(script), backend="fpgadataflow",
    )  # fmt: skip
    model.graph.value_info.append(
        helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, [1, 1])
    )
    model.opset_import.append(helper.make_opsetid(domain, 1))


@_case("domain 'this'", "the module was imported")
def domain_that_is_a_module(model: Any, folder: Path) -> None:
    _constant(model, "extra", np.ones((1, 4), np.float32))
    _first(model, "Foo", ["extra"], domain="this")
    model.opset_import.append(helper.make_opsetid("this", 1))


@_case("this operator is not allowed", "did not end")
def loop_of_a_thousand_years(model: Any, folder: Path) -> None:
    flag = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Add", ["v", "v"], ["w"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), flag,
         helper.make_tensor_value_info("v", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("d", TensorProto.BOOL, []),
         helper.make_tensor_value_info("w", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    rounds = _constant(model, "rounds", np.int64(1 << 62))
    go = _constant(model, "go", np.array(True))
    _first(
        model, "Loop", [rounds, go, _constant(model, "v0", np.array([0], np.float32))], body=body
    )


@_case("this operator is not allowed", "accepted")
def branch_of_its_own(model: Any, folder: Path) -> None:
    value = helper.make_tensor_value_info("b", TensorProto.FLOAT, [1])
    nodes = [helper.make_node("Constant", [], ["b"], value_floats=[1.0])]
    branch = helper.make_graph(nodes, "branch", [], [value])
    go = _constant(model, "go", np.array(True))
    _first(model, "If", [go], then_branch=branch, else_branch=branch)


@_case("allowed are 67,108,864", "asked for 8 GB of memory")
def constant_of_8_gigabytes(model: Any, folder: Path) -> None:
    _first(model, "ConstantOfShape", [_constant(model, "sizes", np.array([1 << 30, 2], np.int64))])


@_case("allowed are 67,108,864", "asked for 35 GB of memory")
def constant_expanded(model: Any, folder: Path) -> None:
    _sized(model, "Expand", 100_000, 93_000)


@_case("allowed are 67,108,864", "asked for 4 GB of memory, did not end in 60 s")
def constant_tiled(model: Any, folder: Path) -> None:
    _sized(model, "Tile", 1 << 30)


@_case("beyond 2^31", "an error of NumPy that names no node")
def constant_expanded_past_all_integers(model: Any, folder: Path) -> None:
    _sized(model, "Expand", 1 << 32, 1 << 32)


@_case("allowed are 67,108,864", "asked for 8 GB of memory")
def constant_padded(model: Any, folder: Path) -> None:
    _sized(model, "Pad", 1 << 30, 1 << 30)


@_case("constants would take", "an error of NumPy that names no node")
def constant_doubled_forty_times(model: Any, folder: Path) -> None:
    name = _constant(model, "d0", np.ones(1024, np.float32))
    for number in range(40):
        made = f"d{number + 1}"
        model.graph.node.insert(number, helper.make_node("Concat", [name, name], [made], axis=0))
        name = made


@_case("allowed are 67,108,864", "asked for 13 GB of memory")
def sum_of_a_row_and_a_column(model: Any, folder: Path) -> None:
    row = _constant(model, "row", np.ones((1, 60_000), np.float32))
    _first(model, "Add", [row, _constant(model, "column", np.ones((60_000, 1), np.float32))])


@_case("allowed are 67,108,864", "error: index out of range")
def scale_wider_than_its_weights(model: Any, folder: Path) -> None:
    row = _constant(model, "row", np.ones((1, 60_000), np.float32))
    scale = _constant(model, "column", np.ones((60_000, 1), np.float32))
    others = [_constant(model, f"q{i}", np.float32(i)) for i in (0, 8)]
    _first(model, "Trunc", [row, scale, *others, others[1]], domain=CUSTOM, rounding_mode="FLOOR")


@_case("allowed are 67,108,864", "asked for 63 GB of memory")
def stream_padded_without_end(model: Any, folder: Path) -> None:
    weights = _constant(model, "w", np.ones((1, 1, 1, 1), np.float32))
    shape = _constant(model, "shape", np.array([1, 1, 1, 13], np.int64))
    node = _first(model, "Reshape", [model.graph.input[0].name, shape])
    conv = helper.make_node("Conv", [node.output[0], weights], ["wide"], "bad", pads=[65000] * 4)
    model.graph.node.insert(1, conv)


@_case("reads only constants", "asked for 8 TB of memory")
def range_of_billions(model: Any, folder: Path) -> None:
    ends = [_constant(model, f"r{i}", np.int64(i)) for i in (0, 1 << 40, 1)]
    _first(model, "Range", ends)


@_case("keeps node", "accepted; later changes of that file were not noticed")
def constant_in_another_file(model: Any, folder: Path) -> None:
    (folder / BESIDE).write_bytes(b"secret!!")
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=BESIDE)
    _first(model, "Constant", [], value=tensor)


@_case("keeps constant", "accepted; later changes of that file were not noticed")
def weights_in_another_file(model: Any, folder: Path) -> None:
    (folder / BESIDE).write_bytes(b"secret!!")
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    tensor.external_data.add(key="location", value=f"../{BESIDE}")
    model.graph.initializer.append(tensor)


@_case("the file holds 13", "accepted")
def weights_that_claim_a_trillion(model: Any, folder: Path) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20])
    tensor.raw_data = b"\0" * 52
    model.graph.initializer.append(tensor)


@_case("has the shape", "accepted")
def weights_of_negative_size(model: Any, folder: Path) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-1, -13], raw_data=b"\0" * 52)
    model.graph.initializer.append(tensor)


@_case("not finite", "accepted")
def weights_that_are_no_numbers(model: Any, folder: Path) -> None:
    _constant(model, "w", np.array([1, np.nan], np.float32))


@_case("has string_data", "accepted")
def weights_of_text(model: Any, folder: Path) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.STRING, dims=[1], string_data=[b"text"])
    model.graph.initializer.append(tensor)


@_case("element type FLOAT8E4M3FN", "accepted")
def weights_of_a_kind_without_numpy(model: Any, folder: Path) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT8E4M3FN, dims=[1], raw_data=b"\0")
    model.graph.initializer.append(tensor)


@_case("attribute sparse_value", "accepted")
def constant_that_is_sparse(model: Any, folder: Path) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "v")
    sparse = helper.make_sparse_tensor(
        values, numpy_helper.from_array(np.zeros(1, np.int64), "i"), [1 << 40]
    )
    _first(model, "Constant", [], sparse_value=sparse)


@_case("reads sparse", "accepted")
def weights_that_are_sparse(model: Any, folder: Path) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(
            values, numpy_helper.from_array(np.zeros(1, np.int64), "i"), [1 << 40]
        )
    )
    _first(model, "Neg", ["sparse"])


@_case("domain 'own'", "the stage crashed (signal 11)")
def function_of_its_own(model: Any, folder: Path) -> None:
    nodes = [helper.make_node("Twice", ["a"], ["b"], domain="own")]
    opsets = [helper.make_opsetid("own", 1)]
    model.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], nodes, opsets))
    model.opset_import.append(opsets[0])
    _first(model, "Twice", [model.graph.input[0].name], domain="own")


@_case("this operator is not allowed", "accepted")
def random_weights(model: Any, folder: Path) -> None:
    _first(model, "RandomNormal", [], shape=[1 << 15, 1 << 15])


@_case("strides = 0", "the stage crashed (signal 8)")
def steps_of_zero(model: Any, folder: Path) -> None:
    shape = _constant(model, "shape", np.array([1, 1, 1, 13], np.int64))
    node = _first(model, "Reshape", [model.graph.input[0].name, shape])
    pool = helper.make_node(
        "MaxPool", [node.output[0]], ["p"], "bad", kernel_shape=[1, 1], strides=[0, 0]
    )
    model.graph.node.insert(1, pool)


@_case("blocksize = 0", "refused")
def blocks_of_zero(model: Any, folder: Path) -> None:
    shape = _constant(model, "shape", np.array([1, 13, 1, 1], np.int64))
    node = _first(model, "Reshape", [model.graph.input[0].name, shape])
    last = helper.make_node("DepthToSpace", [node.output[0]], ["p"], "bad", blocksize=0)
    model.graph.node.insert(1, last)


@_case("rounding_mode = __import__", "refused")
def rounding_mode_of_its_own(model: Any, folder: Path) -> None:
    for attribute in _quantiser(model).attribute:
        if attribute.name == "rounding_mode":
            attribute.s = b"__import__('os')"


@_case("attribute exec_mode", "accepted")
def attribute_of_a_backend(model: Any, folder: Path) -> None:
    _quantiser(model).attribute.append(helper.make_attribute("exec_mode", "cppsim"))


@_case("must be of type INT", "accepted")
def attribute_of_another_kind(model: Any, folder: Path) -> None:
    node = _quantiser(model)
    node.attribute[0].CopyFrom(helper.make_attribute(node.attribute[0].name, [1.0]))


@_case("must be of type INT", "accepted")
def attribute_that_hides_a_graph(model: Any, folder: Path) -> None:
    attribute = _quantiser(model).attribute[0]
    assert attribute.type == AttributeProto.INT
    attribute.g.name = "hidden"


def _quantiser(model: Any) -> Any:
    return next(node for node in model.graph.node if node.op_type == "Quant")


@_case("which exists already", "accepted")
def name_made_twice(model: Any, folder: Path) -> None:
    model.graph.node.append(model.graph.node[-1])


@_case("without circles", "refused, but no node was named")
def circle(model: Any, folder: Path) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


@_case("characters that can be shown", "accepted")
def name_that_writes_to_the_terminal(model: Any, folder: Path) -> None:
    model.graph.node[0].name = "\x1b]0;owned\x07\x1b[2J"


@_case("characters that can be shown", "accepted")
def name_of_a_megabyte(model: Any, folder: Path) -> None:
    model.graph.node[0].name = "n" * 2**20


@_case("no text", "refused, but the name was not told")
def name_that_is_no_text(model: Any, folder: Path) -> bytes:
    model.graph.node[0].name = "QQQQQQQQ"
    data: bytes = model.SerializeToString()
    return data.replace(b"QQQQQQQQ", b"\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc")


@_case("known are 7 to", "traceback")
def opset_of_the_future(model: Any, folder: Path) -> None:
    model.opset_import[0].version = 2**40


@_case("fields: too many", "took over 1.5 GB of memory, did not end")
def million_empty_nodes(model: Any, folder: Path) -> bytes:
    # field 7 of a model is its graph, field 1 of a graph a node
    count = 8 * 2**20
    inner = b"\x0a\x00" * count
    return bytes(model.SerializeToString()) + b"\x3a" + _varint(len(inner)) + inner


@_case("deep and more", "refused")
def messages_within_messages(model: Any, folder: Path) -> bytes:
    inner = b""
    for _ in range(60):  # a node (1) of a graph, its attribute (5), its graph (6)
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            inner = tag + _varint(len(inner)) + inner
    return bytes(model.SerializeToString()) + b"\x3a" + _varint(len(inner)) + inner


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


@_case("more than 2,000 operators", "did not end")
def ten_thousand_nodes(model: Any, folder: Path) -> None:
    name = model.graph.input[0].name
    nodes = []
    for number in range(10_000):
        nodes.append(helper.make_node("Neg", [name], [f"n{number}"]))
        name = f"n{number}"
    model.graph.node.extend(nodes)


@_case("characters that can be shown", "accepted")
def shape_name_of_controls(model: Any, folder: Path) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "\x1b[2J"


@_case("is no tensor", "refused")
def input_that_is_a_sequence(model: Any, folder: Path) -> None:
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    model.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(kind))


@_case("allowed are 67,108,864", "the error was the name of a pydantic class")
def input_of_a_terabyte(model: Any, folder: Path) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    del dims[:]
    for size in (1, 1, 1 << 20, 1 << 20):
        dims.add().dim_value = size


@_case("not an ONNX file", "refused")
def text_of_a_page(model: Any, folder: Path) -> bytes:
    return b"<!DOCTYPE html><html><body>404</body></html>" * 100


@_case("not an ONNX file", "refused")
def nothing(model: Any, folder: Path) -> bytes:
    return b""


@_case("not an ONNX file", "refused")
def half_a_file(model: Any, folder: Path) -> bytes:
    data: bytes = model.SerializeToString()
    return data[: len(data) // 2]
