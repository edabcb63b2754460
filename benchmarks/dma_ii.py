"""Shows that the DMAs of the AXI shell keep the accelerator's II.

    ./doit build network=tfc_1w1a,cnv_1w1a board=Pynq-Z1
    .venv/bin/python benchmarks/dma_ii.py network=tfc_1w1a,cnv_1w1a board=Pynq-Z1
    .venv/bin/python benchmarks/dma_ii.py --quick       # one tiny network

Takes the variables of a build, and simulates its designs with random images: the accelerator by
itself, and its shell with memory ports of 64 and 128 bits whose memory answers after 60 cycles. The
accelerator by itself is the peer. The II at the AXI ports is that of the shell's own counters,
(cycles_last - cycles_first) / (images_done - 1). `kept` says whether it is within 1 % of the
accelerator's, or of the words of an image where those take longer (the port's bound).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import simulation_speed, table
from pipeline.flow.selection import selection
from pipeline.hardware.datatypes import BIPOLAR
from pipeline.rtl.design import Design, load_design
from pipeline.rtl.generator import generate
from pipeline.rtl.shell.generate import generate_shell
from pipeline.rtl.shell.registers import BY_NAME
from pipeline.simulation.beats import pack
from pipeline.simulation.build_shell import build_shell
from pipeline.simulation.model import build_model
from pipeline.simulation.shell import Shell
from tests.hardware.networks import dense

FAMILIES = {64: "zynq-7000", 128: "zynq-us+"}
LATENCY = 60
CYCLES = 3_000_000
"""About how many cycles of an accelerator are simulated."""
BASE = 0x1000_0000


def random_images(design: Design, count: int) -> np.ndarray:
    stream, rng = design.stream(design.input), np.random.default_rng(1)
    if stream.dtype == BIPOLAR:
        return rng.choice([-1, 1], (count, *stream.shape))
    return rng.integers(stream.dtype.min, stream.dtype.max + 1, (count, *stream.shape))


def alone(design: Design, images: np.ndarray, work: Path) -> float:
    """The mean II of the accelerator by itself, as its shell counts it."""
    model = build_model(design.folder, work / "model", work / "cache")
    completed = model.run(images).completed
    return float(completed[-1] - completed[0]) / (len(images) - 1)


def at_the_ports(design: Design, images: np.ndarray, work: Path) -> tuple[float, int]:
    """The II by the shell's counters, and the cycles in which the accelerator lacked data."""
    library = work / "shell.so"
    build_shell(design.folder, library, work / "cache")
    source, sink = design.stream(design.input), design.stream(design.output)
    packed = pack(images, source.dtype, source.lanes).reshape(-1)
    assert design.shell is not None
    half = -(-packed.size // 4096) * 4096
    memory = np.zeros(half + len(images) * sink.beats * design.shell.out_bytes + 4096, np.uint8)
    memory[: packed.size] = packed
    shell = Shell(library, design.folder, memory, BASE)
    try:
        for side in ("input", "output"):
            shell.memory_speed(side, latency=LATENCY, outstanding=8)
        shell.start(BASE, BASE + half, len(images))
        assert shell.wait()
        assert not shell.violation, shell.violation
        first, last, empty = (
            shell.read(BY_NAME[f"cycles_{name}"].offset) for name in ("first", "last", "empty")
        )
        assert shell.read(BY_NAME["images_done"].offset) == len(images)
    finally:
        shell.close()
    return (last - first) / (len(images) - 1), empty


def measure(name: str, folder: Path) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as place:
        work = Path(place).resolve()
        design = load_design(folder)
        source = design.stream(design.input)
        count = min(500, max(12, CYCLES // max(design.cycles.values())))
        images = random_images(design, count)
        by_itself = alone(design, images, work)
        for port_bits, family in FAMILIES.items():
            part = work / str(port_bits)
            copy = load_design(shutil.copytree(folder, part / "design"))
            interval, empty = at_the_ports(generate_shell(copy, port_bits, family), images, part)
            bound = 8 * pack(images[:1], source.dtype, source.lanes).size / port_bits
            kept = "yes" if abs(interval / max(by_itself, bound) - 1) <= 0.01 else "NO"
            figures = (f"{figure:,.2f}" for figure in (by_itself, bound, interval))
            rows.append((name, port_bits, count, *figures, kept, empty))
    return rows


def main() -> None:
    rows = []
    if "--quick" in sys.argv:
        with tempfile.TemporaryDirectory() as place:
            graph = dense([simulation_speed.PIXELS, *table.TINY, simulation_speed.CLASSES])
            generate(graph, simulation_speed.folded(graph), {}, Path(place))
            rows = measure("tiny_1w1a", Path(place))
    else:
        chosen = selection(dict(word.split("=", 1) for word in sys.argv[1:]))
        for unit in chosen.units:
            folders = {task.stage.name: task.folder for task in chosen.chain(unit)}
            rows += measure(unit.name, folders["rtl"])
    columns = ("network", "port bits", "images", "II alone", "port's bound", "II at AXI", "kept",
               "cycles empty")  # fmt: skip
    table.show(f"II with a memory of {LATENCY} cycles (simulated)", columns, rows)


if __name__ == "__main__":
    main()
