"""Writes a hardware graph in the operators that FINN's transformations turn into hardware layers.

Tensors have the ids of the graph's edges; those inside a layer have its id, a dot and a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Add,
    Edge,
    Fork,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    Select,
    SlidingWindow,
    SumPool,
    Threshold,
)

GENERAL = "qonnx.custom_op.general"
LAYOUTS = {4: ["N", "H", "W", "C"], 2: ["N", "C"]}
"""By the number of a tensor's dimensions."""
_MOVES_ONLY = (SlidingWindow, Pad, MaxPool, Fork)


def lacks_columns(graph: HardwareGraph) -> str | None:
    """Why FINN has no words for a graph: the layers that leave out columns; None: it has."""
    pruned = [x.id for x in graph.layers if isinstance(x, SlidingWindow | Select) and x.kept]
    if not pruned:
        return None
    return (
        f"{', '.join(pruned)}: columns of the next layer's weights were pruned, and are left out "
        "of its input; FINN has no layers that do this"
    )


def written(graph: HardwareGraph) -> Any:
    """The graph as a qonnx ModelWrapper, channels last, with the datatypes of all tensors.

    PipelineError: it leaves out columns, see `lacks_columns`.
    """
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415
    from qonnx.util.basic import qonnx_make_model  # noqa: PLC0415

    if (why := lacks_columns(graph)) is not None:
        raise PipelineError(f"no dataflow graph for FINN: {why}")
    writer = _Writer(graph)
    for layer in graph.layers:
        WRITERS[layer.kind](writer, layer)
    ends = [graph.source.id], [graph.sink.id]
    infos = [[writer.infos.pop(name) for name in names] for names in ends]
    made = helper.make_graph(
        writer.nodes, graph.name, infos[0], infos[1], value_info=[*writer.infos.values()]
    )
    model = ModelWrapper(qonnx_make_model(made, producer_name="pipeline"))
    for name, values in writer.constants.items():
        model.set_initializer(name, values)
    for name, kind in writer.dtypes.items():
        model.set_tensor_datatype(name, _finn(kind))
        if name not in writer.constants:
            model.set_tensor_layout(name, LAYOUTS[len(model.get_tensor_shape(name))])
    return model


class _Writer:
    """Nodes, constants and datatypes so far."""

    def __init__(self, graph: HardwareGraph) -> None:
        self.graph = graph
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.dtypes: dict[str, str] = {}
        self.infos: dict[str, Any] = {}
        self._alias: dict[str, str] = {}
        """By edge: the edge whose tensor it is, if it has none of its own."""
        self._readers = {name: layer for layer in graph.layers for name in layer.inputs}
        self.declare(graph.source)

    def tensor(self, edge: str) -> str:
        return self._alias.get(edge, edge)

    def same(self, edge: str, source: str) -> None:
        """Gives an edge the tensor of another one."""
        self._alias[edge] = self.tensor(source)

    def declare(self, edge: Edge) -> str:
        """Declares the tensor of an edge; returns its name."""
        return self.add_tensor(edge.id, self.spelled(edge.id), (1, *edge.shape))

    def map_of(self, layer: Layer, shape: tuple[int, ...]) -> str:
        """The tensor that a layer writes as a map of this shape; `leave` makes the edge of it."""
        edge = self.graph.edges[layer.output]
        if edge.shape == shape:
            return self.declare(edge)
        return self.add_tensor(f"{layer.id}.map", self.spelled(edge.id), (1, *shape))

    def leave(self, layer: Layer, tensor: str) -> None:
        """Makes a vector of a map, if the layer's edge is one."""
        if tensor != layer.output:
            edge = self.graph.edges[layer.output]
            self.declare(edge)
            self.constants[f"{layer.id}.shape"] = np.array([1, *edge.shape], np.int64)
            self.node("Reshape", [tensor, f"{layer.id}.shape"], [edge.id])

    def reader(self, edge: str) -> Layer | None:
        return self._readers.get(edge)

    def windows(
        self,
        source: str,
        output: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: tuple[int, int, int, int],
    ) -> None:
        """The windows of an edge's map. pads: above, left, below and right."""
        height, width, channels = self.graph.edges[source].shape
        self.node(
            "Im2Col",
            [self.tensor(source)],
            [output],
            kernel_size=kernel,
            stride=stride,
            pad_amount=pads,
            input_shape=f"(1,{height},{width},{channels})",
            dilations=(1, 1),
            depthwise=0,
            pad_value=0,
        )

    def add_tensor(self, name: str, dtype: str, shape: tuple[int, ...], kind: int = 0) -> str:
        kind = kind or TensorProto.FLOAT
        self.infos[name] = helper.make_tensor_value_info(name, kind, shape)
        self.dtypes[name] = dtype
        return name

    def constant(self, name: str, values: np.ndarray, dtype: str) -> str:
        self.constants[name] = values.astype(np.float32)
        self.dtypes[name] = dtype
        return name

    def node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        domain = GENERAL if kind in _GENERAL else ""
        self.nodes.append(
            helper.make_node(kind, inputs, outputs, f"{kind}_{len(self.nodes)}", domain=domain,
                             **attributes)
        )  # fmt: skip

    def spelled(self, edge: str) -> str:
        """FINN's datatype of an edge. FINN has one-bit values only in front of XNOR layers."""
        dtype = self.graph.edges[edge].dtype
        if not dtype.bipolar:
            return dtype.name
        reader = self._readers.get(edge)
        while isinstance(reader, _MOVES_ONLY):
            edge = reader.outputs[0]
            reader = self._readers.get(edge)
        return "BINARY" if isinstance(reader, Mvau) and reader.popcount else "INT2"


_GENERAL = ("Im2Col", "MaxPoolNHWC", "MultiThreshold", "QuantAvgPool2d", "XnorPopcountMatMul")


def _finn(name: str) -> Any:
    from qonnx.core.datatype import DataType as Kind  # noqa: PLC0415

    return Kind["BINARY" if name == "UINT1" else name]


def _threshold(writer: _Writer, layer: Threshold) -> None:
    source = writer.graph.edges[layer.input]
    at, dtype, thresholds = writer.tensor(layer.input), source.dtype, layer.thresholds
    if layer.falling is not None:  # not x >= t is -x >= 1 - t
        sign = writer.constant(f"{layer.id}.sign", np.where(layer.falling, -1, 1), "INT2")
        dtype = DataType.smallest(-dtype.max, max(-dtype.min, dtype.max))
        turned = writer.add_tensor(f"{layer.id}.turned", dtype.name, (1, *source.shape))
        writer.node("Mul", [at, sign], [turned])
        at = turned
        thresholds = np.where(layer.falling[:, None], 1 - thresholds[:, ::-1], thresholds)
    _levels(writer, layer, at, dtype, thresholds, source.shape)


def _levels(
    writer: _Writer,
    layer: Threshold | Mvau,
    source: str,
    dtype: DataType,
    thresholds: np.ndarray,
    shape: tuple[int, ...],
) -> None:
    target, offset = writer.graph.edges[layer.output], layer.offset
    kind = writer.spelled(layer.output)
    if target.dtype.bipolar:
        offset = 0 if kind == "BINARY" else -1
        if kind != "BINARY":  # -1 + (x >= t) + (x >= t) is -1 or +1
            thresholds = np.repeat(thresholds, 2, axis=1)
    low, high = int(thresholds.min()), int(thresholds.max())
    wide = DataType.smallest(min(low, dtype.min), max(high, dtype.max))
    name = writer.constant(f"{layer.id}.thresholds", thresholds, wide.name)
    output = writer.map_of(layer, shape)
    writer.node(
        "MultiThreshold",
        [source, name],
        [output],
        out_dtype=_finn(kind).name,
        out_scale=1.0,
        out_bias=float(offset),
        data_layout="NHWC" if len(shape) == 3 else "NC",
    )
    writer.leave(layer, output)


def _mvau(writer: _Writer, layer: Mvau) -> None:
    source, target = writer.graph.edges[layer.input], writer.graph.edges[layer.output]
    at = writer.tensor(layer.input)
    if len(target.shape) == 1:
        at = _flat(writer, layer, at, source)
    weights, kind = layer.weights.T, layer.weight_dtype.name
    if layer.popcount:
        weights, kind = (weights + 1) // 2, "BINARY"
    wide = layer.accumulator.name
    names = ["sums", "shifted"] if layer.bias is not None else ["sums"]
    tensors = [f"{layer.id}.{name}" for name in names]
    if layer.thresholds is None:
        tensors[-1] = layer.output
    for name in tensors:
        writer.add_tensor(name, wide, (1, *target.shape))
    operator = "XnorPopcountMatMul" if layer.popcount else "MatMul"
    constant = writer.constant(f"{layer.id}.weights", weights, kind)
    writer.node(operator, [at, constant], [tensors[0]])
    if layer.bias is not None:
        low, high = int(layer.bias.min()), int(layer.bias.max())
        kind = DataType.smallest(low, high).name
        bias = writer.constant(f"{layer.id}.bias", layer.bias, kind)
        writer.node("Add", [tensors[0], bias], [tensors[1]])
    if layer.thresholds is not None:
        _levels(writer, layer, tensors[-1], layer.accumulator, layer.thresholds, target.shape)


def _flat(writer: _Writer, layer: Mvau, at: str, source: Edge) -> str:
    """A feature map as a vector, in stream order."""
    shape = [size.dim_value for size in writer.infos[at].type.tensor_type.shape.dim]
    if len(shape) == 2:
        return at
    name = writer.add_tensor(f"{layer.id}.flat", writer.spelled(layer.input), (1, source.elements))
    writer.constants[f"{layer.id}.shape"] = np.array([1, source.elements], np.int64)
    writer.node("Reshape", [at, f"{layer.id}.shape"], [name])
    return name


def _label_select(writer: _Writer, layer: LabelSelect) -> None:
    source, target = writer.graph.edges[layer.input], writer.graph.edges[layer.output]
    writer.constants[f"{layer.id}.k"] = np.array([1], np.int64)
    at = writer.tensor(layer.input)
    shape = tuple(1 for _ in source.shape)
    writer.add_tensor(f"{layer.id}.value", writer.spelled(layer.input), (1, *shape))
    writer.add_tensor(target.id, target.dtype.name, (1, *shape), TensorProto.INT64)
    writer.node("TopK", [at, f"{layer.id}.k"], [f"{layer.id}.value", target.id], axis=-1, largest=1)


def _swg(writer: _Writer, layer: SlidingWindow) -> None:
    at, rows, columns = layer.input, (0, 0), (0, 0)
    maker = next((x for x in writer.graph.layers if at in x.outputs), None)
    if isinstance(maker, Pad):
        at, rows, columns = maker.input, maker.rows, maker.columns
    writer.declare(writer.graph.edges[layer.output])
    pads = (rows[0], columns[0], rows[1], columns[1])
    writer.windows(at, layer.output, layer.kernel, layer.stride, pads)


def _pad(writer: _Writer, layer: Pad) -> None:
    """Only a convolution of 1x1 reads it without a window; any other pads in its Im2Col."""
    if isinstance(writer.reader(layer.output), SlidingWindow):
        return
    writer.declare(writer.graph.edges[layer.output])
    pads = (layer.rows[0], layer.columns[0], layer.rows[1], layer.columns[1])
    writer.windows(layer.input, layer.output, (1, 1), (1, 1), pads)


def _max_pool(writer: _Writer, layer: MaxPool) -> None:
    height, width, channels = writer.graph.edges[layer.input].shape
    shape = (height // layer.kernel[0], width // layer.kernel[1], channels)
    output = writer.map_of(layer, shape)
    writer.node(
        "MaxPoolNHWC",
        [writer.tensor(layer.input)],
        [output],
        kernel_shape=layer.kernel,
        strides=layer.kernel,
        pads=(0, 0, 0, 0),
    )
    writer.leave(layer, output)


def _sum_pool(writer: _Writer, layer: SumPool) -> None:
    source = writer.graph.edges[layer.input]
    high, wide = layer.window(source)
    shape = (source.shape[0] // high, source.shape[1] // wide, source.channels)
    greatest = ((1 << source.dtype.bits) - 1) * high * wide
    if high != wide or greatest.bit_length() <= layer.shift:
        _sums(writer, layer, shape)  # FINN averages squares only
        return
    output = writer.map_of(layer, shape)
    writer.node(
        "QuantAvgPool2d",
        [writer.tensor(layer.input)],
        [output],
        stride=high,
        kernel=high,
        ibits=source.dtype.bits,
        obits=greatest.bit_length() - layer.shift,
        signed=int(source.dtype.signed),
        data_layout="NHWC",
    )
    writer.leave(layer, output)


def _sums(writer: _Writer, layer: SumPool, shape: tuple[int, ...]) -> None:
    """A sum pool as a convolution with weights of one, and thresholds that shift its sums."""
    source = writer.graph.edges[layer.input]
    (high, wide), channels = layer.window(source), source.channels
    inside = high * wide * channels
    windows = writer.add_tensor(
        f"{layer.id}.windows", writer.spelled(layer.input), (1, *shape[:2], inside)
    )
    writer.windows(layer.input, windows, (high, wide), (high, wide), (0, 0, 0, 0))
    ones = np.tile(np.eye(channels), (high * wide, 1))
    weights = writer.constant(f"{layer.id}.weights", ones, "BINARY")
    ends = (high * wide * source.dtype.min, high * wide * source.dtype.max)
    total = DataType.smallest(*ends)
    sums = writer.add_tensor(f"{layer.id}.sums", total.name, (1, *shape))
    writer.node("MatMul", [windows, weights], [sums])
    low, most = layer.range(source)
    steps = np.arange(low + 1, most + 1) << layer.shift
    thresholds = writer.constant(f"{layer.id}.thresholds", steps[None], total.name)
    output = writer.map_of(layer, shape)
    writer.node(
        "MultiThreshold",
        [sums, thresholds],
        [output],
        out_dtype=_finn(writer.graph.edges[layer.output].dtype.name).name,
        out_scale=1.0,
        out_bias=float(low),
        data_layout="NHWC",
    )
    writer.leave(layer, output)


def _select(writer: _Writer, layer: Select) -> None:
    raise AssertionError("a graph that leaves out columns is refused as a whole")


def _fork(writer: _Writer, layer: Fork) -> None:
    for name in layer.outputs:  # FINN copies a tensor that has two readers
        writer.same(name, layer.input)


def _add(writer: _Writer, layer: Add) -> None:
    shape = writer.graph.edges[layer.input].shape
    output, tensors = writer.map_of(layer, shape), []
    for number, (name, factor) in enumerate(zip(layer.inputs, layer.factors, strict=True)):
        at = writer.tensor(name)
        if factor != 1:
            edge = writer.graph.edges[name]
            ends = sorted((factor * edge.dtype.min, factor * edge.dtype.max))
            kind = DataType.smallest(min(factor, 0), max(factor, 0)).name
            constant = writer.constant(f"{layer.id}.factor{number}", np.array(factor), kind)
            product = writer.add_tensor(
                f"{layer.id}.product{number}", DataType.smallest(*ends).name, (1, *edge.shape)
            )
            writer.node("Mul", [at, constant], [product])
            at = product
        tensors.append(at)
    writer.node("Add", tensors, [output])
    writer.leave(layer, output)


WRITERS: dict[str, Callable[..., None]] = {
    Add.kind: _add,
    Fork.kind: _fork,
    LabelSelect.kind: _label_select,
    MaxPool.kind: _max_pool,
    Mvau.kind: _mvau,
    Pad.kind: _pad,
    Select.kind: _select,
    SlidingWindow.kind: _swg,
    SumPool.kind: _sum_pool,
    Threshold.kind: _threshold,
}
"""By kind of layer: a function that writes it."""
