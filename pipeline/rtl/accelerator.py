"""Writes the text of the top module: its layers, and the wires of every stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.errors import PipelineError
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.design import TOP
from pipeline.rtl.layers import Instance
from pipeline.rtl.ram import in_block_ram
from pipeline.rtl.streams import Link

# words that a layer or an edge could well be called and Verilog keeps for itself
_RESERVED = {
    "and", "buf", "case", "cell", "clk", "config", "default", "design", "fork", "inout", "input",
    "join", "large", "m_axis", "medium", "module", "not", "or", "output", "real", "reg", "rst_n",
    "s_axis", "signed", "small", "table", "task", "time", "use", "wire", "xor",
}  # fmt: skip


class Names:
    """Verilog names of layers and edges: their ids, with `_` for what Verilog does not allow."""

    def __init__(self, graph: HardwareGraph) -> None:
        self.layers = _identifiers((layer.id for layer in graph.layers), graph.name)
        self.edges = _identifiers(graph.edges, graph.name)

    def memory(self, layer_id: str, parameter: str) -> str:
        """Name of the file of a layer's memory, for example fc0_weight.hex for WEIGHT_FILE."""
        return f"{self.stem(layer_id, parameter)}.hex"

    def stem(self, layer_id: str, parameter: str) -> str:
        """First part of the names of a layer's memory files: fc0_threshold for FILES."""
        kind = parameter.removesuffix("S").removesuffix("FILE").strip("_").lower()
        return f"{self.layers[layer_id]}_{kind or 'threshold'}"

    def sums(self, layer_id: str) -> str:
        """Name of the module of a layer's sums."""
        return f"{self.layers[layer_id]}_sums"

    def signs(self, layer_id: str) -> str:
        """Name of the file of the signs in them."""
        return f"{self.layers[layer_id]}_signs.hex"

    def fifo(self, edge_id: str) -> str:
        return f"{self.edges[edge_id]}_fifo"


def _identifiers(ids: Iterable[str], graph_name: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for original in ids:
        # Verilator mangles a double underscore
        name = re.sub(r"_+", "_", re.sub(r"\W", "_", original, flags=re.ASCII)).strip("_")
        if not name or name[0].isdigit() or name in _RESERVED:
            name = f"n_{name}"
        if name in names.values():
            raise PipelineError(
                f"hardware graph {graph_name}: two ids both become {name!r} in Verilog; rename one"
            )
        names[original] = name
    return names


def text(
    graph: HardwareGraph,
    instances: Mapping[str, Instance],
    joined: Mapping[str, Link],
    depths: Mapping[str, int],
    names: Names,
    signatures: bool,
) -> str:
    """The Verilog text of the top module.

    Simulation reads the signals that are marked `/*verilator public_flat_rd*/`. With `signatures`
    every stream has a signature register, in the order of `joined`.
    """
    # one of each, but for a layer by itself
    read = {name for layer in graph.layers for name in layer.inputs}
    written = {name for layer in graph.layers for name in layer.outputs}
    sources = [link for name, link in joined.items() if name not in written]
    sinks = [link for name, link in joined.items() if name not in read]
    lines = [
        f"// Dataflow accelerator for {re.sub(r'[^ -~]', '?', graph.name)}, generated.",
        "// Streams: valid/ready, element 0 in the least significant bits.",
        f"module {TOP} (",
        "    input  clk,",
        "    input  rst_n,  // active low, synchronous",
        *(_signature_ports(len(joined)) if signatures else ()),
        *_ports(sources, sinks),
        ");",
    ]
    ends: dict[str, str] = {}  # by edge: the stem of the wires that its consumer meets
    for port, link in zip(_port_names("s_axis", sources), sources, strict=True):
        stem = names.edges[link.edge.id]
        lines += _wires(stem, link.producer_lanes * link.edge.dtype.bits)
        lines += [
            f"  assign {stem}_tdata = {port}_tdata;",
            f"  assign {stem}_tvalid = {port}_tvalid;",
            f"  assign {port}_tready = {stem}_tready;",
        ]
        ends[link.edge.id], between = _between(link, depths.get(link.edge.id, 0), names)
        lines += between
    for layer in graph.layers:
        made = instances[layer.id]
        lines += ["", f"  // ---- {layer.id}: {layer.kind}"]
        for name in layer.outputs:
            link = joined[name]
            lines += _wires(names.edges[name], link.producer_lanes * link.edge.dtype.bits)
        parameters: dict[str, int | str] = dict(made.parameters)
        for parameter in made.memories:
            parameters[parameter] = f'"{names.memory(layer.id, parameter)}"'
        for parameter in made.banks:
            parameters[parameter] = f'"{names.stem(layer.id, parameter)}"'
        # a second input is called t, a second output n
        ports = [
            *zip("st", (ends[name] for name in layer.inputs), strict=False),
            *zip("mn", (names.edges[name] for name in layer.outputs), strict=False),
        ]
        beside = []
        if made.sums is not None:
            beside = ["inputs", "sums"]
            lines += _sums(made, names.sums(layer.id), names.signs(layer.id))
        lines += _instance(made.module, parameters, names.layers[layer.id], ports, beside)
        for name in layer.outputs:
            ends[name], between = _between(joined[name], depths.get(name, 0), names)
            lines += between
    lines.append("")
    for port, link in zip(_port_names("m_axis", sinks), sinks, strict=True):
        stem = ends[link.edge.id]
        lines += [
            f"  assign {port}_tdata = {stem}_tdata;",
            f"  assign {port}_tvalid = {stem}_tvalid;",
            f"  assign {stem}_tready = {port}_tready;",
        ]
    if signatures:
        lines += ["", "  // ---- signatures"]
        for k, link in enumerate(joined.values()):
            stem, width = names.edges[link.edge.id], link.producer_lanes * link.edge.dtype.bits
            lines += _signature(stem, width, k)
    return "\n".join([*lines, "endmodule"]) + "\n"


def _signature_ports(count: int) -> Iterator[str]:
    yield f"    output [{32 * count - 1}:0] signatures,  // see signature.v"
    yield "    input  signatures_restart,"


def _signature(stem: str, width: int, k: int) -> Iterator[str]:
    yield f"  signature #(.WIDTH({width})) {stem}_signature ("
    yield "      .clk(clk),"
    yield "      .restart(signatures_restart),"
    yield f"      .tdata({stem}_tdata),"
    yield f"      .taken({stem}_tvalid & {stem}_tready),"
    yield f"      .value(signatures[{32 * k}+:32])"
    yield "  );"


def _port_names(first: str, of: Sequence[Link]) -> list[str]:
    return [first, *(f"{first}_{k}" for k in range(1, len(of)))]


def _ports(sources: Sequence[Link], sinks: Sequence[Link]) -> Iterator[str]:
    ports = [
        *zip(_port_names("s_axis", sources), ["input"] * len(sources), sources, strict=True),
        *zip(_port_names("m_axis", sinks), ["output"] * len(sinks), sinks, strict=True),
    ]
    for name, into, link in ports:
        back = "output" if into == "input" else "input"
        bits = link.producer_lanes * link.edge.dtype.bits
        comma = "" if link is sinks[-1] else ","
        yield f"    // {link.edge.id}: {link.producer_lanes} x {link.edge.dtype.name} a beat"
        yield f"    {into} [{bits - 1}:0] {name}_tdata,"
        yield f"    {into} {name}_tvalid,"
        yield f"    {back} {name}_tready{comma}"


def _wires(stem: str, bits: int, watched: bool = True) -> Iterator[str]:
    mark = "  /*verilator public_flat_rd*/" if watched else ""
    yield f"  wire [{bits - 1}:0] {stem}_tdata{mark};"
    yield f"  wire {stem}_tvalid{mark};"
    yield f"  wire {stem}_tready{mark};"


def _between(link: Link, depth: int, names: Names) -> tuple[str, list[str]]:
    """Width converter and FIFO of an edge: the stem of the wires after them, and the lines."""
    stem, bits = names.edges[link.edge.id], link.edge.dtype.bits
    lines: list[str] = []
    block = in_block_ram(depth, link.fifo_width)
    fifo = {"WIDTH": link.fifo_width, "DEPTH": depth, "BLOCK": int(block)}
    convert = {
        "BITS": bits,
        "IN_LANES": link.producer_lanes,
        "OUT_LANES": link.consumer_lanes,
        "MIDDLE": link.middle_lanes,
    }
    stages: list[tuple[str, str, Mapping[str, int], int]] = []
    if link.converts:
        width = link.consumer_lanes * bits
        stages.append(("width_converter", f"{stem}_dwc", convert, width))
    if depth:
        stages.insert(
            0 if link.fifo_first else len(stages),
            ("fifo", names.fifo(link.edge.id), fifo, link.fifo_width),
        )
    for module, name, parameters, width in stages:
        lines += _wires(f"{name}_out", width, watched=False)
        lines += _instance(module, parameters, name, [("s", stem), ("m", f"{name}_out")])
        stem = f"{name}_out"
    return stem, lines


def _sums(made: Instance, module: str, file: str) -> Iterator[str]:
    """The sums of an MVAU without fold, and the wires to it."""
    rows, bits = int(made.parameters["MH"]), int(made.parameters["SUM_BITS"])
    inputs = int(made.parameters["MW"]) * int(made.parameters["INPUT_BITS"])
    yield f"  wire [{inputs - 1}:0] {module}_inputs;"
    yield f"  wire [{rows * bits - 1}:0] {module}_sums;"
    yield f'  {module} #(.SIGN_FILE("{file}")) {module}_of ('
    yield "      .clk(clk),"
    yield f"      .inputs({module}_inputs),"
    yield f"      .sums({module}_sums)"
    yield "  );"


def _instance(
    module: str,
    parameters: Mapping[str, int | str],
    name: str,
    ports: Sequence[tuple[str, str]],
    beside: Sequence[str] = (),
) -> Iterator[str]:
    """ports: pairs of a stream's name in the module and the stem of the wires it connects to.

    beside: ports that connect to the layer's sums.
    """
    yield f"  {module} #("
    yield ",\n".join(f"      .{key}({value})" for key, value in parameters.items())
    yield f"  ) {name} ("
    yield "      .clk(clk),"
    yield "      .rst_n(rst_n),"
    yield from (f"      .{port}({name}_sums_{port})," for port in beside)
    for port, stem in ports:
        for part in ("tdata", "tvalid", "tready"):
            comma = "" if (port, part) == (ports[-1][0], "tready") else ","
            yield f"      .{port}_{part}({stem}_{part}){comma}"
    yield "  );"
