"""Stage `driver`: writes the drivers of a board unit, and proves them on the Verilated shell."""

from __future__ import annotations

import json

import numpy as np

from pipeline.driver.document import Target, own_interface, settings
from pipeline.driver.golden import stream_beats, write_golden
from pipeline.driver.proof import load, require_on_shell, require_packing
from pipeline.driver.render import c_driver, driver
from pipeline.hardware import graph as hardware
from pipeline.hardware.post import classes
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.rtl.design import load_design
from pipeline.simulation.build_shell import build_shell

SETTINGS = "settings.json"


def run(job: Job) -> Metrics:
    """Writes driver.py, settings.json (still without a bitfile) and the folder golden/.

    Raises VerificationError unless the driver packs and unpacks as the RTL does, and gives the
    golden outputs and signatures through the Verilated shell, at the accelerator's II.
    """
    graph, design = hardware.load(job.inputs["streamline"]), load_design(job.inputs["rtl"])
    with np.load(job.inputs["streamline"] / "golden.npz") as archive:
        golden = {name: archive[name] for name in archive.files if not name.startswith("stream.")}
    images, outputs = golden["images"], golden["outputs"]
    progress("golden vectors", 0.1)
    beats = stream_beats(graph, design, images)
    write_golden(job.folder / "golden", graph, beats, images, outputs)
    (job.folder / "driver.py").write_text(driver(), encoding="utf-8")
    target = Target(
        job.spec("board.name", str),
        job.spec("board.part", str),
        job.spec("board.family", str),
        job.spec("target.clock_mhz", float),
    )
    ii = max(design.cycles.values())
    figures: Metrics = {
        "ii": Figure(ii, "cycles", "estimated"),
        "latency": Figure(sum(design.cycles.values()), "cycles", "estimated"),
    }
    interface = own_interface(graph, design, target.family)
    document = settings(job.unit, graph, interface, target, figures)
    (job.folder / SETTINGS).write_text(json.dumps(document, indent=1) + "\n")
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
    }
    if "truth" in golden:
        right = np.count_nonzero(classes(graph.post, outputs) == golden["truth"])
        share = float(100 * right / len(golden["truth"]))
        figures["accuracy"] = Figure(share, "%", "measured")
    document = settings(job.unit, graph, interface, target, figures)
    (job.folder / SETTINGS).write_text(json.dumps(document, indent=1) + "\n")
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
