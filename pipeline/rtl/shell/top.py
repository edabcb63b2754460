"""Writes the text of the shell's top module: the registers of registers.py, DMAs, accelerator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import gcd

from pipeline.rtl.shell import registers

TOP = "shell"
SLAVE, READ, WRITE = "s_axi_control", "m_axi_input", "m_axi_output"
"""First parts of the names of the AXI ports."""
_LITE = {
    "aw": ("addr", "valid", "ready"),
    "w": ("data", "strb", "valid", "ready"),
    "b": ("resp", "valid", "ready"),
    "ar": ("addr", "valid", "ready"),
    "r": ("data", "resp", "valid", "ready"),
}
_READ_CHANNELS = {
    "ar": ("addr", "len", "valid", "ready"),
    "r": ("data", "resp", "last", "valid", "ready"),
}
_WRITE_CHANNELS = {
    "aw": ("addr", "len", "valid", "ready"),
    "w": ("data", "strb", "last", "valid", "ready"),
    "b": ("resp", "valid", "ready"),
}


@dataclass(frozen=True)
class Beats:
    """A stream of the accelerator. width: bits of a beat. count: beats of an image."""

    width: int
    count: int

    @property
    def bytes(self) -> int:
        """Bytes of a beat in memory."""
        return -(-self.width // 8)

    def parts(self, port_bytes: int) -> int:
        """How many equal parts of whole bytes a beat is cut into, so that each fits the port."""
        size = self.bytes
        return next(n for n in range(1, size + 1) if size % n == 0 and size <= n * port_bytes)


@dataclass(frozen=True)
class Parameters:
    """What the text of the shell depends on.

    signatures: the number of signature registers. alone: the streams of the accelerator are ports,
    so that the shell can be measured by itself.
    """

    port_bits: int
    address_bits: int
    input: Beats
    output: Beats
    signatures: int = 0
    alone: bool = False

    @property
    def port_bytes(self) -> int:
        return self.port_bits // 8


def text(parameters: Parameters, accelerator: str, digest: bytes) -> str:
    """The Verilog text of the shell around the module `accelerator`. digest: of the design."""
    bits = 8 * len(digest)
    lines = [
        "// AXI shell: registers, DMAs and the accelerator, generated.",
        "// Its bursts are incrementing and stay within a block of 16 words: for AXI3 and AXI4.",
        f"module {TOP} #(",
        f"    parameter {_bus(bits)}DIGEST = {bits}'h{digest[::-1].hex()}",
        ") (",
        "    input clk,",
        "    input rst_n,  // active low, synchronous",
        ",\n".join(
            f"    {way} {_bus(width)}{name}"
            for way, width, name in (*axi_ports(parameters), *_stream_ports(parameters))
        ),
        ");",
        *_register_wires(parameters),
        *_slave(),
        *_core(parameters),
        *([] if parameters.alone else _accelerator(parameters, accelerator)),
        *_bursts(parameters),
    ]
    return "\n".join([*lines, "endmodule"]) + "\n"


def _bus(bits: int) -> str:
    return f"[{bits - 1}:0] " if bits > 1 else ""


def axi_ports(parameters: Parameters) -> Iterator[tuple[str, int, str]]:
    """Direction, bits and name of every AXI port."""
    data, strobes = parameters.port_bits, parameters.port_bytes
    lite = [("addr", registers.ADDRESS_BITS)]
    burst = [
        *(("addr", parameters.address_bits), ("id", 1), ("len", 8), ("size", 3)),
        *(("burst", 2), ("cache", 4), ("prot", 3)),
    ]
    for interface, channel, way, signals in (
        (SLAVE, "aw", "input", lite),
        (SLAVE, "w", "input", [("data", 32), ("strb", 4)]),
        (SLAVE, "b", "output", [("resp", 2)]),
        (SLAVE, "ar", "input", lite),
        (SLAVE, "r", "output", [("data", 32), ("resp", 2)]),
        (READ, "ar", "output", burst),
        (READ, "r", "input", [("id", 1), ("data", data), ("resp", 2), ("last", 1)]),
        (WRITE, "aw", "output", burst),
        (WRITE, "w", "output", [("data", data), ("strb", strobes), ("last", 1)]),
        (WRITE, "b", "input", [("id", 1), ("resp", 2)]),
    ):
        for signal, bits in [*signals, ("valid", 1)]:
            yield way, bits, f"{interface}_{channel}{signal}"
        yield "output" if way == "input" else "input", 1, f"{interface}_{channel}ready"


def _stream_ports(parameters: Parameters) -> Iterator[tuple[str, int, str]]:
    """Direction, bits and name of the ports to the accelerator, if the shell is alone."""
    if parameters.alone:
        for stem, way, back, beats in (
            ("s_axis", "output", "input", parameters.input),
            ("m_axis", "input", "output", parameters.output),
        ):
            yield way, beats.width, f"{stem}_tdata"
            yield way, 1, f"{stem}_tvalid"
            yield back, 1, f"{stem}_tready"
        yield "output", 1, "core_rst_n"
        yield "output", 1, "restart"
        if parameters.signatures:
            yield "input", 32 * parameters.signatures, "signatures"


def _constants(parameters: Parameters) -> dict[str, str]:
    """The values of the registers that never change."""
    return {
        "magic": f"32'h{registers.MAGIC:08x}",
        "abi": f"32'd{registers.ABI}",
        "shape": f"{{8'd0, 8'd{parameters.port_bytes}, 16'd{parameters.signatures}}}",
        **{f"digest_{k}": f"DIGEST[{32 * k}+:32]" for k in range(registers.DIGEST_WORDS)},
    }


def _register_wires(parameters: Parameters) -> Iterator[str]:
    """A wire for each register, and `read_data`: the word that a read gets."""
    constants = _constants(parameters)
    yield "  wire write, read;"
    yield f"  wire {_bus(registers.ADDRESS_BITS)}write_address, read_address;"
    yield "  wire [31:0] write_data;"
    for register in registers.REGISTERS:
        value = constants.get(register.name)
        yield f"  wire [31:0] {register.name}{f' = {value}' if value else ''};"
    words = {register.offset: register.name for register in registers.REGISTERS}
    for k in range(parameters.signatures):
        words[registers.signature_offset(k)] = f"signatures[{32 * k}+:32]"
    if parameters.signatures and not parameters.alone:
        yield f"  wire {_bus(32 * parameters.signatures)}signatures;"
    pages = sorted({offset // registers.PAGE for offset in words})
    for page in pages:
        yield from _page(
            page, {k: word for k, word in words.items() if k // registers.PAGE == page}
        )
    yield f"  wire [31:0] read_data = {' | '.join(f'page_{page}_data' for page in pages)};"


def _page(page: int, words: Mapping[int, str]) -> Iterator[str]:
    """`page_<page>_data`: the word that `read_address` names, or 0. words: by offset."""
    size = 1 << max((max(words) % registers.PAGE).bit_length(), 3)  # bytes, a power of two
    low = size.bit_length() - 1
    name = f"page_{page}"
    yield f"  wire {_bus(8 * size)}{name} = {{"
    offsets = range(page * registers.PAGE, page * registers.PAGE + size, 4)
    none = "32'd0"
    yield ",\n".join(f"    {words.get(offset, none)}" for offset in reversed(offsets))
    yield "  };"
    top = registers.ADDRESS_BITS - low
    hit = f"read_address[{registers.ADDRESS_BITS - 1}:{low}] == {top}'d{offsets[0] >> low}"
    yield f"  wire [31:0] {name}_data = ({hit}) ? {name}[32*read_address[{low - 1}:2]+:32] : 32'd0;"


def _slave() -> Iterator[str]:
    axi = _joined("s_axi", SLAVE, _LITE)
    wires = ("write", "write_address", "write_data", "read", "read_address", "read_data")
    ports = {**axi, **{name: name for name in wires}}
    yield from _instance("axi_lite_slave", {"ADDRESS_BITS": registers.ADDRESS_BITS}, "slave", ports)


def _joined(port: str, stem: str, signals: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Ports of an instance and the top's ports that they connect to. signals: by AXI channel."""
    names = [f"{channel}{name}" for channel, of in signals.items() for name in of]
    return {f"{port}_{name}": f"{stem}_{name}" for name in names}


def _core(parameters: Parameters) -> Iterator[str]:
    """The core, with streams of whole bytes, at most a word a beat: `to_core`, `from_core`."""
    port = parameters.port_bytes
    sizes = {"PORT_BYTES": port, "ADDRESS_BITS": parameters.address_bits}
    for prefix, beats in (("IN", parameters.input), ("OUT", parameters.output)):
        parts = beats.parts(port)
        part = beats.bytes // parts
        sizes[f"{prefix}_BYTES"] = part
        sizes[f"{prefix}_UNIT"] = gcd(part, port)
        sizes[f"{prefix}_BEATS"] = beats.count * parts
        yield from _stream_wires(f"{prefix.lower()}_part", 8 * part)
    ports = {"core_rst_n": "core_rst_n", "restart": "restart", "write_data": "write_data"}
    constants = _constants(parameters)
    for register in registers.REGISTERS:
        name, at = register.name, f"{registers.ADDRESS_BITS}'h{register.offset:04x}"
        if "write" in register.access:
            ports[f"write_{name}"] = f"write & (write_address == {at})"
        if name in ("input_control", "output_control"):
            ports[f"read_{name}"] = f"read & (read_address == {at})"
        if name not in constants:
            ports[name] = name
    ports |= _joined("m_axi", READ, _READ_CHANNELS) | _joined("m_axi", WRITE, _WRITE_CHANNELS)
    ports |= _stream("m", "in_part") | _stream("s", "out_part")
    if not parameters.alone:
        yield "  wire core_rst_n, restart;"
    yield from _instance("shell_core", sizes, "core", ports)
    yield from _fit_input(parameters)
    yield from _fit_output(parameters)


def _fit_input(parameters: Parameters) -> Iterator[str]:
    """From the core's beats to the accelerator's: `s_axis`."""
    beats, parts = parameters.input, parameters.input.parts(parameters.port_bytes)
    stem = "in_part"
    if parts > 1:
        stem = "in_whole"
        yield from _stream_wires(stem, 8 * beats.bytes)
        sizes = {"WIDTH": 8 * beats.bytes // parts, "RATIO": parts}
        ports = {"rst_n": "core_rst_n"} | _stream("s", "in_part") | _stream("m", stem)
        yield from _instance("width_up", sizes, "in_collect", ports)
    if not parameters.alone:
        yield from _stream_wires("s_axis", beats.width)
    yield f"  assign s_axis_tdata = {stem}_tdata[{beats.width - 1}:0];"
    yield f"  assign s_axis_tvalid = {stem}_tvalid;"
    yield f"  assign {stem}_tready = s_axis_tready;"


def _fit_output(parameters: Parameters) -> Iterator[str]:
    """From the accelerator's beats, `m_axis`, to the core's."""
    beats, parts = parameters.output, parameters.output.parts(parameters.port_bytes)
    stem = "out_whole" if parts > 1 else "out_part"
    if not parameters.alone:
        yield from _stream_wires("m_axis", beats.width)
    if parts > 1:
        yield from _stream_wires(stem, 8 * beats.bytes)
        sizes = {"WIDTH": 8 * beats.bytes // parts, "RATIO": parts}
        ports = {"rst_n": "core_rst_n"} | _stream("s", stem) | _stream("m", "out_part")
        yield from _instance("width_down", sizes, "out_split", ports)
    padding = 8 * beats.bytes - beats.width
    data = f"{{{padding}'d0, m_axis_tdata}}" if padding else "m_axis_tdata"
    yield f"  assign {stem}_tdata = {data};"
    yield f"  assign {stem}_tvalid = m_axis_tvalid;"
    yield f"  assign m_axis_tready = {stem}_tready;"


def _accelerator(parameters: Parameters, module: str) -> Iterator[str]:
    ports = {"rst_n": "core_rst_n"} | _stream("s_axis", "s_axis") | _stream("m_axis", "m_axis")
    if parameters.signatures:
        ports |= {"signatures_restart": "restart", "signatures": "signatures"}
    yield from _instance(module, {}, "network", ports)


def _bursts(parameters: Parameters) -> Iterator[str]:
    """What is the same for every burst."""
    size = (parameters.port_bytes - 1).bit_length()
    for stem in (f"{READ}_ar", f"{WRITE}_aw"):
        yield f"  assign {stem}id = 1'b0;"
        yield f"  assign {stem}size = 3'd{size};"
        yield f"  assign {stem}burst = 2'b01;  // incrementing"
        yield f"  assign {stem}cache = 4'b0011;  // modifiable, bufferable"
        yield f"  assign {stem}prot = 3'b000;"


def _stream_wires(stem: str, bits: int) -> Iterator[str]:
    yield f"  wire {_bus(bits) or '[0:0] '}{stem}_tdata;"
    yield f"  wire {stem}_tvalid, {stem}_tready;"


def _stream(port: str, stem: str) -> dict[str, str]:
    return {f"{port}_{part}": f"{stem}_{part}" for part in ("tdata", "tvalid", "tready")}


def _instance(
    module: str, parameters: Mapping[str, int], name: str, ports: Mapping[str, str]
) -> Iterator[str]:
    """ports: the wire of each, without the clock; `rst_n` is the one of the top if not named."""
    values = ", ".join(f".{key}({value})" for key, value in parameters.items())
    yield f"  {module} {f'#({values}) ' if values else ''}{name} ("
    wires = {"clk": "clk", "rst_n": "rst_n", **ports}
    yield ",\n".join(f"      .{port}({wire})" for port, wire in wires.items())
    yield "  );"
