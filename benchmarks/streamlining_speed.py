"""Compares CPU seconds of streamlining: FINN's own steps, and ours.

    .venv/bin/python benchmarks/streamlining_speed.py            # minutes
    .venv/bin/python benchmarks/streamlining_speed.py --quick    # one tiny network

Each measurement runs in its own process, from the QONNX of an untrained network to FINN's dataflow
graph, and does not count imports. Ours makes the hardware graph on the way. `equal`: both dataflow
graphs, executed by FINN, give the same classes for random images.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline.tools.process import run_tool
from specs.input import InputSpec

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import finn_steps, table

WAYS = ("finn", "ours")
CONTRACT = InputSpec()
IMAGES = 16
RESULT = "result.json"


def streamline(way: str, qonnx: Path, folder: Path) -> None:
    """Writes RESULT (CPU seconds, classes of IMAGES random images) into `folder`."""
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415

    from pipeline.streamlining import finn  # noqa: PLC0415
    from pipeline.streamlining.graph import hardware_graph  # noqa: PLC0415

    finn_steps.bootstrap(folder)
    importlib.import_module("finn.builder.build_dataflow_steps")  # seconds, not to be timed
    start = time.process_time()
    if way == "finn":
        model = finn_steps.dataflow(qonnx, CONTRACT, folder)
        labels = np.arange(256)  # they are the classes
    else:
        found = hardware_graph(ModelWrapper(str(qonnx)), "network", CONTRACT, "label")
        model = finn.dataflow(found.graph).model
        labels = found.tail.labels
    seconds = time.process_time() - start
    images = np.random.default_rng(1).integers(0, 256, (IMAGES, *CONTRACT.shape), np.uint8)
    target = model.graph.output[0].name
    executed = finn.execute(model, images)
    classes = [int(labels[int(context[target].item())]) for context in executed]
    (folder / RESULT).write_text(json.dumps({"seconds": seconds, "classes": classes}))


def measure(hidden: table.Hidden, bits: int, work: Path) -> tuple[float, float, bool]:
    """CPU seconds of FINN and of ours, and whether both give the same classes."""
    qonnx = work / "model.onnx"
    table.write_qonnx(table.fc(hidden, bits), CONTRACT, qonnx)
    found = []
    for way in WAYS:
        folder = work / way
        folder.mkdir(exist_ok=True)
        argv: list[str | Path] = [sys.executable, __file__, way, qonnx, folder]
        run_tool(argv, log=folder / "log", tool_errors=False)
        found.append(json.loads((folder / RESULT).read_text()))
    finn, ours = found
    return finn["seconds"], ours["seconds"], finn["classes"] == ours["classes"]


def main() -> None:
    sizes = [(name, table.HIDDEN[name], 1) for name in ("tfc", "sfc", "lfc")]
    sizes.append(("lfc", table.HIDDEN["lfc"], 2))
    if table.options(__doc__).quick:
        sizes = [("tiny", table.TINY, 1)]
    rows = []
    for name, hidden, bits in sizes:
        with tempfile.TemporaryDirectory() as work:
            finn, ours, equal = measure(hidden, bits, Path(work))
        verdict = "yes" if equal else "NO"
        rows.append((f"{name}_{bits}w{bits}a", finn, ours, f"{finn / ours:.1f}x", verdict))
    columns = ("network", "FINN, CPU s", "ours, CPU s", "faster", "equal")
    table.show("Streamlining (measured)", columns, rows)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in WAYS:
        streamline(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
