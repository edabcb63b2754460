"""Stage `driver`: writes the drivers of a board unit, and proves them on the Verilated shell."""

from __future__ import annotations

import json

import numpy as np

from pipeline.driver.document import Interface, Target, own_interface, settings
from pipeline.driver.finn import finn_interface
from pipeline.driver.golden import stream_beats, write_golden
from pipeline.driver.proof import load, require_on_shell, require_packing
from pipeline.driver.render import c_driver, driver
from pipeline.engines import engine
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import load_folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.post import classes
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.rtl.design import load_design
from pipeline.simulation.build_shell import build_shell

SETTINGS = "settings.json"


def run(job: Job) -> Metrics:
    """Writes driver.py, settings.json (still without a bitfile) and the folder golden/.

    Raises VerificationError unless the driver packs and unpacks as the RTL does, and gives the
    golden outputs and signatures through the Verilated shell, at the accelerator's II. FINN's RTL
    needs the vendor's simulator, so the driver of hardware=finn is only written.
    """
    graph = hardware.load(job.inputs["streamline"])
    with np.load(job.inputs["streamline"] / "golden.npz") as archive:
        golden = {name: archive[name] for name in archive.files if not name.startswith("stream.")}
    target = Target(
        job.spec("board.name", str),
        job.spec("board.part", str),
        job.spec("board.family", str),
        job.spec("target.clock_mhz", float),
    )
    (job.folder / "driver.py").write_text(driver(), encoding="utf-8")
    make = _of_our_shell if "rtl" in job.inputs else _of_finns_shell
    return make(job, graph, target, golden)


def _of_our_shell(
    job: Job, graph: HardwareGraph, target: Target, golden: dict[str, np.ndarray]
) -> Metrics:
    design = load_design(job.inputs["rtl"])
    images, outputs = golden["images"], golden["outputs"]
    progress("golden vectors", 0.1)
    beats = stream_beats(graph, design, images)
    write_golden(job.folder / "golden", graph, beats, images, outputs)
    interface = own_interface(graph, design, target)
    figures = _estimated([*design.cycles.values()])
    _write_settings(job, graph, interface, target, figures)
    module = load(job.folder / "driver.py")
    progress("packing", 0.2)
    require_packing(module, design, images, outputs)
    progress("compiling the AXI shell", 0.3)
    with job.scratch() as work:
        build_shell(job.inputs["rtl"], work / "shell.so", job.cache)
        progress("the driver on the AXI shell", 0.7)
        proved = require_on_shell(
            module, job.folder, work / "shell.so", job.inputs["rtl"], graph, design, beats,
            images.astype(module.storage_of(graph.input.dtype)), outputs,
        )  # fmt: skip
    # now that they are simulated, they take the place of the estimates
    figures = {
        "ii": Figure(proved.ii, "cycles", "simulated"),
        "latency": Figure(proved.latency, "cycles", "simulated"),
        "fps": Figure(1e6 * target.clock_mhz / proved.ii, "fps", "estimated"),
        **_accuracy(graph, golden),
    }
    document = _write_settings(job, graph, interface, target, figures)
    (job.folder / "c").mkdir()
    for name, text in c_driver(document).items():
        (job.folder / "c" / name).write_text(text)
    what = "images" if "truth" in golden else "random inputs"
    return {
        "packed": Figure(f"{len(images):,} of {len(images):,}", what, "measured"),
        "bit_exact": Figure(f"{proved.images:,} of {proved.images:,}", what, "simulated"),
        "signatures": Figure(len(design.signatures), "streams", "simulated"),
        **figures,
    }


def _of_finns_shell(
    job: Job, graph: HardwareGraph, target: Target, golden: dict[str, np.ndarray]
) -> Metrics:
    path = job.inputs["fold"] / "folding.json"
    interface = finn_interface(job.inputs["implement"], graph, target, path)
    write_golden(job.folder / "golden", graph, {}, golden["images"], golden["outputs"])
    space, folding = engine("vivado.finn").space(graph, signatures=False), load_folding(path)
    layers = zip(space.layers, space.options, strict=True)
    cycles = [next(x.cycles for x in each if x.fold == folding[name]) for name, each in layers]
    figures = {**_estimated(cycles), **_accuracy(graph, golden)}
    figures["fps"] = Figure(1e6 * target.clock_mhz / max(cycles), "fps", "estimated")
    _write_settings(job, graph, interface, target, figures)
    return figures


def _estimated(cycles: list[int]) -> Metrics:
    """II and latency by the cycles per image of every layer."""
    return {
        "ii": Figure(max(cycles), "cycles", "estimated"),
        "latency": Figure(sum(cycles), "cycles", "estimated"),
    }


def _accuracy(graph: HardwareGraph, golden: dict[str, np.ndarray]) -> Metrics:
    if "truth" not in golden:
        return {}
    right = np.count_nonzero(classes(graph.post, golden["outputs"]) == golden["truth"])
    share = float(100 * right / len(golden["truth"]))
    return {"accuracy": Figure(share, "%", "measured")}


def _write_settings(
    job: Job, graph: HardwareGraph, interface: Interface, target: Target, figures: Metrics
) -> dict[str, object]:
    document = settings(job.unit, graph, interface, target, figures)
    (job.folder / SETTINGS).write_text(json.dumps(document, indent=1) + "\n")
    return document
