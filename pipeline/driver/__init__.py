"""Stage `driver`: writes the drivers of a board unit, and proves them on its golden vectors."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

from pipeline.driver.document import Target, settings
from pipeline.driver.golden import write_golden
from pipeline.driver.render import driver
from pipeline.errors import VerificationError
from pipeline.hardware import graph as hardware
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.post import classes
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.rtl.design import Design, Stream, load_design
from pipeline.simulation.beats import pack


def run(job: Job) -> Metrics:
    """Writes driver.py, settings.json (still without a bitfile) and the folder golden/.

    Raises VerificationError if the driver packs or unpacks a golden vector otherwise than the RTL.
    """
    graph = hardware.load(job.inputs["streamline"])
    design = load_design(job.inputs["rtl"])
    with np.load(job.inputs["streamline"] / "golden.npz") as archive:
        golden = {name: archive[name] for name in archive.files if not name.startswith("stream.")}
    progress("golden vectors", 0.1)
    write_golden(job.folder / "golden", graph, design, golden["images"], golden["outputs"])
    (job.folder / "driver.py").write_text(driver(), encoding="utf-8")
    target = Target(
        job.spec("board.name", str),
        job.spec("board.part", str),
        job.spec("board.family", str),
        job.spec("target.clock_mhz", float),
    )
    figures = _predicted(graph, design, golden, target.clock_mhz)
    document = settings(job.unit, graph, design, target, figures)
    (job.folder / "settings.json").write_text(json.dumps(document, indent=1) + "\n")
    progress("packing", 0.3)
    require_packing(load(job.folder / "driver.py"), design, golden)
    count = len(golden["images"])
    return {"packed": Figure(f"{count:,} of {count:,}", "images", "measured"), **figures}


def load(path: Path) -> ModuleType:
    """The module of a driver.py, as a board imports it."""
    found = importlib.util.spec_from_file_location("accelerator_driver", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module  # its dataclasses look there for it
    found.loader.exec_module(module)
    return module


def require_packing(module: ModuleType, design: Design, golden: dict[str, np.ndarray]) -> None:
    """Raises VerificationError unless driver.py packs and unpacks as the RTL's streams are."""
    source, sink = design.stream(design.input), design.stream(design.output)
    prepared = golden["images"].astype(module.storage_of(source.dtype.name))
    _require_equal(
        "packs", source, pack(golden["images"], source.dtype, source.lanes),
        module.pack(prepared, source.dtype.name, source.lanes),
    )  # fmt: skip
    beats = pack(golden["outputs"], sink.dtype, sink.lanes)
    unpacked = module.unpack(beats, sink.dtype.name, sink.lanes)
    _require_equal("unpacks", sink, golden["outputs"].reshape(unpacked.shape), unpacked)


def _require_equal(does: str, stream: Stream, expected: np.ndarray, found: np.ndarray) -> None:
    if np.array_equal(expected, found):
        return
    beat = int(np.flatnonzero((expected != found).any(axis=1))[0])
    raise VerificationError(
        f"driver: {does} stream {stream.edge} ({stream.lanes} x {stream.dtype.name}) otherwise "
        f"than the RTL; first: beat {beat}: RTL {expected[beat].tolist()}, driver "
        f"{found[beat].tolist()}"
    )


def _predicted(
    graph: HardwareGraph, design: Design, golden: dict[str, np.ndarray], mhz: float
) -> Metrics:
    """What the board is compared with. The simulation proved the II that the design predicts."""
    ii = max(design.cycles.values())
    figures: Metrics = {
        "ii": Figure(ii, "cycles", "simulated"),
        "fps": Figure(1e6 * mhz / ii, "fps", "estimated"),
        "latency": Figure(sum(design.cycles.values()), "cycles", "estimated"),
    }
    if "truth" in golden:
        right = np.count_nonzero(classes(graph.post, golden["outputs"]) == golden["truth"])
        share = float(100 * right / len(golden["truth"]))
        figures["accuracy"] = Figure(share, "%", "measured")
    return figures
