"""Runs cocotb's tests of cases.py on a shell, in Verilator: builds the bench, starts it."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cocotb_tools import config
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from pipeline.hardware.datatypes import DataType
from pipeline.rtl.design import Design, Stream
from pipeline.rtl.shell.generate import generate_shell
from pipeline.rtl.shell.top import READ, Beats, Parameters, axi_ports
from pipeline.simulation.build import FLAGS, runtime_includes, runtime_objects
from pipeline.tools.compiler import compiler
from pipeline.tools.process import run_tool
from pipeline.tools.verilator import run_verilator

HERE = Path(__file__).parent
RUNTIME = ("verilated.cpp", "verilated_threads.cpp", "verilated_vpi.cpp")


Pool = list[tuple[bytes, bytes]]
"""Images and their results, as they lie in memory."""


@dataclass(frozen=True)
class Shape:
    """A stand-in accelerator and its port: bits and number of an image's beats."""

    port_bits: int
    family: str
    in_bits: int
    in_beats: int
    out_bits: int
    out_beats: int

    @property
    def label(self) -> str:
        sizes = f"{self.in_beats}x{self.in_bits}-{self.out_beats}x{self.out_bits}"
        return f"{self.port_bits}-{self.family}-{sizes}"


def stand_in(shape: Shape, folder: Path) -> Design:
    """A design in `folder` whose accelerator is stand_in.v, with its shell."""
    folder.mkdir(parents=True)
    text = (HERE / "stand_in.v").read_text()
    for name in ("in_bits", "in_beats", "out_bits", "out_beats"):
        line = next(line for line in text.splitlines() if f"parameter {name.upper()} " in line)
        comma = "," if line.endswith(",") else ""
        text = text.replace(line, f"    parameter {name.upper()} = {getattr(shape, name)}{comma}")
    (folder / "accelerator.v").write_text(text)

    def stream(edge: str, bits: int, beats: int) -> Stream:
        return Stream(edge, edge, DataType("UINT1"), (bits * beats,), bits, beats)

    streams = (
        stream("in", shape.in_bits, shape.in_beats),
        stream("out", shape.out_bits, shape.out_beats),
    )
    design = Design(
        folder, "accelerator", ("accelerator.v",), "", (), 0, "in", "out", streams, (), {}
    )
    return generate_shell(design, shape.port_bits, shape.family)


def images_of(shape: Shape, count: int) -> Pool:
    """Random images, and what stand_in.v makes of each."""
    rng = random.Random(count)
    whole = (1 << 64) - 1
    pool = []
    for _ in range(count):
        beats = [rng.getrandbits(shape.in_bits) for _ in range(shape.in_beats)]
        state = 0
        for beat in beats:
            words = [beat >> 64 * k & whole for k in range(4)]
            state = _turned(state) ^ words[0] ^ words[1] ^ words[2] ^ words[3]
        given = []
        for _ in range(shape.out_beats):
            given.append(state * sum(1 << 64 * k for k in range(4)) & (1 << shape.out_bits) - 1)
            state = _turned(state) + 1 & whole
        pool.append((_bytes(beats, shape.in_bits), _bytes(given, shape.out_bits)))
    return pool


def _turned(state: int) -> int:
    return (state << 1 | state >> 63) & (1 << 64) - 1


def _bytes(beats: Sequence[int], bits: int) -> bytes:
    return b"".join(beat.to_bytes(-(-bits // 8), "little") for beat in beats)


def run_cases(
    design: Design,
    pool: Pool,
    interval: int,
    work: Path,
    cache: Path,
    names: Sequence[str],
    golden: Sequence[int] = (),
) -> None:
    """Runs these tests of cases.py on the design's shell. Fails if one fails, or does not run.

    interval: the accelerator's II. golden: the signatures after a batch of the whole pool.
    """
    assert design.shell is not None
    executable = build(design, work, cache)
    told = {
        "port_bytes": design.shell.port_bits // 8,
        "address_bits": design.shell.address_bits,
        "digest": design.shell.digest,
        "golden": list(golden),
        "interval": interval,
        "pool": [[image.hex(), result.hex()] for image, result in pool],
    }
    (work / "bench.json").write_text(json.dumps(told))
    results = work / "results.xml"
    with contextlib.suppress(SystemExit):  # the runner's way to say that a test failed
        get_runner("verilator").test(
            test_module="tests.rtl.shell.cases",
            hdl_toplevel="bench",
            hdl_toplevel_lang="verilog",
            build_dir=executable.parent,
            test_dir=design.folder,
            results_xml=str(results),
            testcase=names,
            seed=1,
            log_file=work / "cocotb.log",
            extra_env={"SHELL_BENCH": str(work / "bench.json"), "COCOTB_LOG_LEVEL": "WARNING"},
        )
    assert get_results(results) == (len(names), 0), (work / "cocotb.log").read_text()[-6000:]


def build(design: Design, work: Path, cache: Path) -> Path:
    """Compiles the bench around the design's shell; without `make`, which not every machine has."""
    assert design.shell is not None
    shell = design.shell
    work.mkdir(parents=True, exist_ok=True)
    for name in ("axi_checker", "slow_memory"):
        shutil.copyfile(HERE / f"{name}.v", design.folder / f"{name}.v")
    parameters = Parameters(shell.port_bits, shell.address_bits, Beats(8, 1), Beats(8, 1))
    (design.folder / "bench.v").write_text(bench(parameters))
    # what Python sees: the ports of the bench, and nothing of the network
    (design.folder / "bench.vlt").write_text(
        '`verilator_config\npublic_flat_rw -module "bench" -var "*"\n'
    )
    generated = work / "verilated"
    run_verilator(
        ["--cc", "--vpi", "--x-initial", "unique", "--no-timing", "-Wno-fatal",
         "-Wno-lint", "-Wno-style", "--top-module", "bench", "--prefix", "Vtop", "--Mdir",
         generated.resolve(), "--timescale", "1ns/1ps", "bench.vlt", *shell.sources,
         "axi_checker.v",
         "slow_memory.v", "bench.v"],
        design.folder,
        work / "verilator.log",
    )  # fmt: skip
    main = config.share_dir / "lib" / "verilator" / "verilator.cpp"
    names = [*(path.name for path in sorted(generated.glob("*.cpp"))), main]
    (work / "unity.cpp").write_text("".join(f'#include "{name}"\n' for name in names))
    runtime = runtime_includes()
    cxx = [*compiler(), *FLAGS]
    objects = runtime_objects([*cxx, *runtime], work, cache, RUNTIME)
    libraries = config.libs_dir
    run_tool(
        [*cxx, *runtime, f"-I{generated}", work / "unity.cpp", *objects, f"-L{libraries}",
         f"-Wl,-rpath,{libraries}", "-lcocotbvpi_verilator", "-o", work / "bench"],
        log=work / "compile.log",
    )  # fmt: skip
    return work / "bench"


def bench(parameters: Parameters) -> str:
    """The shell with the checker, and with memory that answers after `latency` cycles."""
    ports = list(axi_ports(parameters))
    listed = "".join(f",\n  {way} [{bits - 1}:0] {name}" for way, bits, name in ports)
    delayed = {f"{READ}_ar{signal}" for signal in ("addr", "len", "valid", "ready")}
    joined = "".join(
        f", .{name}({'shell_' if name in delayed else ''}{name})" for _, _, name in ports
    )
    address = parameters.address_bits
    checked = {
        "ar": ("addr", "len", "size", "burst", "valid", "ready"),
        "r": ("valid", "ready", "last"),
        "aw": ("addr", "len", "size", "burst", "valid", "ready"),
        "w": ("data", "strb", "last", "valid", "ready"),
        "b": ("valid", "ready"),
    }
    watched = ""
    for channel, signals in checked.items():
        for signal in signals:
            port = f"m_axi_{'input' if channel in ('ar', 'r') else 'output'}_{channel}{signal}"
            watched += f", .{channel}{signal}({'shell_' if port in delayed else ''}{port})"
    return f"""
module bench (input clk, input rst_n, input [15:0] latency, input lazy, output [15:0] broken,
    output [7:0] most_reads, most_writes{listed});
  wire [{address - 1}:0] shell_{READ}_araddr;
  wire [7:0] shell_{READ}_arlen;
  wire shell_{READ}_arvalid, shell_{READ}_arready;
  shell dut (.clk(clk), .rst_n(rst_n){joined});
  slow_memory #(.WIDTH({address + 8})) slow (.clk(clk), .rst_n(rst_n), .latency(latency),
      .lazy(lazy),
      .s_tdata({{shell_{READ}_araddr, shell_{READ}_arlen}}), .s_tvalid(shell_{READ}_arvalid),
      .s_tready(shell_{READ}_arready), .m_tdata({{{READ}_araddr, {READ}_arlen}}),
      .m_tvalid({READ}_arvalid), .m_tready({READ}_arready));
  axi_checker #(.PORT_BYTES({parameters.port_bytes}), .ADDRESS_BITS({address})) checker_ (
      .clk(clk), .rst_n(rst_n), .broken(broken), .most_reads(most_reads),
      .most_writes(most_writes){watched});
endmodule
"""
