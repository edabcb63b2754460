"""Text of the top module: layer by layer, with the wires of every stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from pipeline.errors import PipelineError
from pipeline.folding.memories import in_block_ram
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.design import TOP
from pipeline.rtl.layers import Instance
from pipeline.rtl.streams import Link

# words that a layer or an edge could well be called and Verilog keeps for itself
_RESERVED = {
    "and", "buf", "case", "cell", "clk", "config", "default", "design", "inout", "input", "large",
    "m_axis", "medium", "module", "not", "or", "output", "real", "reg", "rst_n", "s_axis", "signed",
    "small", "table", "task", "time", "use", "wire", "xor",
}  # fmt: skip


class Names:
    """Verilog names of layers and edges: their ids, with what Verilog refuses replaced by `_`."""

    def __init__(self, graph: HardwareGraph) -> None:
        self.layers = _identifiers((layer.id for layer in graph.layers), graph.name)
        self.edges = _identifiers(graph.edges, graph.name)

    def memory(self, layer_id: str, parameter: str) -> str:
        """File of a layer's memory, e.g. fc0_weight.hex for WEIGHT_FILE."""
        return f"{self.stem(layer_id, parameter)}.hex"

    def stem(self, layer_id: str, parameter: str) -> str:
        """What the files of a layer's memories have in common: fc0_threshold for FILES."""
        kind = parameter.removesuffix("S").removesuffix("FILE").strip("_").lower()
        return f"{self.layers[layer_id]}_{kind or 'threshold'}"

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
) -> str:
    """Verilog of the top module. `/*verilator public_flat_rd*/` marks what simulation watches."""
    source, sink = joined[graph.source.id], joined[graph.sink.id]
    stem = names.edges[source.edge.id]
    lines = [
        f"// Dataflow accelerator for {re.sub(r'[^ -~]', '?', graph.name)}, generated.",
        "// Streams: valid/ready, element 0 in the least significant bits.",
        f"module {TOP} (",
        "    input  clk,",
        "    input  rst_n,  // active low, synchronous",
        *_ports(source, sink),
        ");",
        *_wires(stem, source.producer_lanes * source.edge.dtype.bits),
        f"  assign {stem}_tdata = s_axis_tdata;",
        f"  assign {stem}_tvalid = s_axis_tvalid;",
        f"  assign s_axis_tready = {stem}_tready;",
    ]
    ends: dict[str, str] = {}  # by edge: the stem of the wires that its consumer meets
    ends[source.edge.id], between = _between(source, depths.get(source.edge.id, 0), names)
    lines += between
    for layer in graph.layers:
        link = joined[layer.output]
        stem = names.edges[layer.output]
        made = instances[layer.id]
        lines += ["", f"  // ---- {layer.id}: {layer.kind}"]
        lines += _wires(stem, link.producer_lanes * link.edge.dtype.bits)
        parameters: dict[str, int | str] = dict(made.parameters)
        for parameter in made.memories:
            parameters[parameter] = f'"{names.memory(layer.id, parameter)}"'
        for parameter in made.banks:
            parameters[parameter] = f'"{names.stem(layer.id, parameter)}"'
        lines += _instance(made.module, parameters, names.layers[layer.id], ends[layer.input], stem)
        ends[layer.output], between = _between(link, depths.get(layer.output, 0), names)
        lines += between
    stem = ends[sink.edge.id]
    lines += [
        "",
        f"  assign m_axis_tdata = {stem}_tdata;",
        f"  assign m_axis_tvalid = {stem}_tvalid;",
        f"  assign {stem}_tready = m_axis_tready;",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _ports(source: Link, sink: Link) -> Iterator[str]:
    for name, into, link in (("s_axis", "input", source), ("m_axis", "output", sink)):
        back = "output" if into == "input" else "input"
        bits = link.producer_lanes * link.edge.dtype.bits
        comma = "," if into == "input" else ""
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
    """Width converter and FIFO of an edge: the stem of the wires at its end, and the lines."""
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
        lines += _instance(module, parameters, name, stem, f"{name}_out")
        stem = f"{name}_out"
    return stem, lines


def _instance(
    module: str, parameters: Mapping[str, int | str], name: str, source: str, target: str
) -> Iterator[str]:
    yield f"  {module} #("
    yield ",\n".join(f"      .{key}({value})" for key, value in parameters.items())
    yield f"  ) {name} ("
    yield "      .clk(clk),"
    yield "      .rst_n(rst_n),"
    for port, stem in (("s", source), ("m", target)):
        for part in ("tdata", "tvalid", "tready"):
            comma = "" if (port, part) == ("m", "tready") else ","
            yield f"      .{port}_{part}({stem}_{part}){comma}"
    yield "  );"
