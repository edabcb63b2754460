"""Compares simulated cycles per second of Verilator and Yosys' CXXRTL on the same Verilog.

    .venv/bin/python benchmarks/simulation_speed.py            # minutes
    .venv/bin/python benchmarks/simulation_speed.py --quick    # one tiny network

The networks are random, of the published sizes, with one folding and without FIFOs or stalls. Both
sides are compiled with the same compiler at -O2. Times are wall seconds and include the start of
the program. The column `equal` says whether every image's output is that of the integer reference.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline.hardware import reference
from pipeline.hardware.fold import Fold, Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Mvau
from pipeline.rtl.design import Design
from pipeline.rtl.generator import generate
from pipeline.simulation.beats import beat_bytes, pack, unpack
from pipeline.simulation.model import build_model
from pipeline.tools.compiler import compiler
from pipeline.tools.process import run_tool
from pipeline.tools.yosys import run_script

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import table
from tests.hardware.networks import dense, images

HARNESS = Path(__file__).with_name("cxxrtl_harness.cpp")
PIXELS, CLASSES = 784, 10
LANES = 16
Measured = tuple[float, float, int, np.ndarray]
"""Seconds to build and to run, cycles, and the outputs."""


def folded(graph: HardwareGraph) -> Folding:
    """The greatest legal PE and SIMD up to LANES; weights in LUTs."""
    folding = {}
    for layer in graph.layers:
        source, target = graph.edges[layer.input], graph.edges[layer.output]
        rows = target.channels if isinstance(layer, Mvau) else source.channels
        pe, simd = _divisor(rows), _divisor(source.channels)
        folding[layer.id] = Fold(pe, simd if isinstance(layer, Mvau) else pe)
    return folding


def _divisor(number: int) -> int:
    return max(d for d in range(1, LANES + 1) if number % d == 0)


def verilated(design: Design, x: np.ndarray, work: Path) -> Measured:
    start = time.perf_counter()
    model = build_model(design.folder, work / "verilator", work / "cache")
    built = time.perf_counter()
    result = model.run(x)
    return built - start, time.perf_counter() - built, result.cycles, result.output


def cxxrtl(design: Design, x: np.ndarray, work: Path) -> Measured:
    folder = work / "cxxrtl"
    folder.mkdir()
    source, sink = design.stream(design.input), design.stream(design.output)
    package = importlib.util.find_spec("pyosys")
    assert package is not None
    assert package.submodule_search_locations
    share = Path(package.submodule_search_locations[0]) / "share"
    start = time.perf_counter()
    commands = [
        ["read_verilog", "-defer", *design.sources],
        ["hierarchy", "-check", "-top", design.top],
        ["write_cxxrtl", "-g0", str((folder / "design.cpp").resolve())],
    ]
    run_script(commands, design.folder, folder / "yosys.log")
    include = share / "include" / "backends" / "cxxrtl" / "runtime"
    run_tool(
        [*compiler(), "-std=c++17", "-O2", "-w", f"-I{include}", f"-I{folder}", HARNESS,
         "-o", folder / "model"],
        log=folder / "compile.log",
    )  # fmt: skip
    built = time.perf_counter()
    pack(x, source.dtype, source.lanes).tofile(folder / "input.bin")
    said: list[str] = []
    ends: list[str | Path] = [folder / "input.bin", folder / "output.bin", str(len(x) * sink.beats)]
    run_tool([folder / "model", *ends], log=folder / "run.log", on_line=said.append)
    seconds = time.perf_counter() - built
    beats = np.fromfile(folder / "output.bin", np.uint8)
    beats = beats.reshape(-1, beat_bytes(sink.dtype, sink.lanes))
    output = unpack(beats, sink.dtype, sink.lanes).reshape(len(x), *sink.shape)
    return built - start, seconds, int(said[-1]), output


def measure(name: str, hidden: table.Hidden, count: int) -> list[tuple[object, ...]]:
    graph = dense([PIXELS, *hidden, CLASSES])
    x = images(graph, count)
    expected = reference.run(graph, x)[graph.sink.id]
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        design = generate(graph, folded(graph), {}, work / "design")
        for peer, simulate in (("Verilator", verilated), ("Yosys CXXRTL", cxxrtl)):
            build, seconds, cycles, output = simulate(design, x, work)
            equal = "yes" if np.array_equal(output, expected) else "NO"
            speed = cycles / seconds, count / seconds
            rows.append((name if not rows else "", peer, build, count, cycles, *speed, equal))
    return rows


def main() -> None:
    sizes = [("tfc", 200), ("sfc", 50)]
    hidden = {**table.HIDDEN, "tiny": table.TINY}
    if table.options(__doc__).quick:
        sizes = [("tiny", 5)]
    rows = [row for name, count in sizes for row in measure(f"{name}_1w1a", hidden[name], count)]
    columns = ("network", "simulator", "build, s", "images", "cycles (simulated)", "cycles/s",
               "images/s", "equal")  # fmt: skip
    table.show("Simulation (measured)", columns, rows)


if __name__ == "__main__":
    main()
