"""Compares CPU seconds of streamlining: FINN's own steps, and the same steps in the pipeline.

    .venv/bin/python benchmarks/streamlining_speed.py            # minutes
    .venv/bin/python benchmarks/streamlining_speed.py --quick    # one tiny network

Each measurement runs in its own process, from the QONNX of an untrained network to the dataflow
graph, and does not count imports. The column `equal` says whether dataflow.onnx, hardware.json and
hardware.npz are the same bytes.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from pipeline.tools.files import sha256
from pipeline.tools.process import run_tool
from specs.input import InputSpec

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import table

FILES = ("dataflow.onnx", "hardware.json", "hardware.npz")
WAYS = ("finn", "ours")
CONTRACT = InputSpec()
RESULT = "result.json"


def streamline(way: str, qonnx: Path, folder: Path) -> None:
    """Writes FILES and RESULT (CPU seconds, digests) into `folder`."""
    from pipeline.streamlining.extract import extract  # noqa: PLC0415

    from pipeline.hardware import graph as hardware  # noqa: PLC0415
    from pipeline.streamlining import finn, speed  # noqa: PLC0415

    finn.bootstrap(folder)
    importlib.import_module("finn.builder.build_dataflow_steps")  # seconds, not to be timed
    with nullcontext() if way == "finn" else speed.whole_arrays():
        start = time.process_time()
        dataflow = finn.to_dataflow(qonnx, CONTRACT, folder)
        seconds = time.process_time() - start
    dataflow.model.save(str(folder / FILES[0]))
    hardware.save(extract(dataflow, "network", CONTRACT).graph, folder)
    digests = [sha256(folder / name) for name in FILES]
    (folder / RESULT).write_text(json.dumps({"seconds": seconds, "digests": digests}))


def measure(hidden: table.Hidden, bits: int, work: Path) -> tuple[float, float, bool]:
    """CPU seconds of FINN and of ours, and whether both left the same files."""
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
    return finn["seconds"], ours["seconds"], finn["digests"] == ours["digests"]


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
