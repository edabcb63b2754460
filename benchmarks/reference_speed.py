"""Compares images per second of the integer reference with FINN's and QONNX' execution.

    .venv/bin/python benchmarks/reference_speed.py            # minutes
    .venv/bin/python benchmarks/reference_speed.py --quick    # one tiny network

Times are wall seconds in one process; numpy and onnxruntime choose their number of threads. FINN
executes its dataflow graph image by image, with and without its check of every tensor
(SANITIZE_QUANT_TENSORS). QONNX executes floats in batches, with onnxruntime behind qonnx. The
column `equal` compares the labels (for FINN the accumulators) of the images that both sides ran.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.hardware import reference
from specs.input import InputSpec

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import table

CONTRACT = InputSpec()
IMAGES, BATCH = 4000, 1000
FINN_IMAGES = {"1": 4, "0": 32}
"""By SANITIZE_QUANT_TENSORS; its default is "1"."""
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def measure(name: str, hidden: table.Hidden, bits: int, images: int) -> list[tuple[object, ...]]:
    """Rows of the table for one network with random images."""
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415

    from pipeline.export import verify  # noqa: PLC0415
    from pipeline.streamlining import finn  # noqa: PLC0415
    from pipeline.streamlining.graph import hardware_graph  # noqa: PLC0415

    network = f"{name}_{bits}w{bits}a"
    drawn = np.random.default_rng(1).integers(0, 256, (images, *CONTRACT.shape), np.uint8)
    planes = np.ascontiguousarray(drawn.transpose(0, 3, 1, 2))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        table.write_qonnx(table.fc(hidden, bits), CONTRACT, work / "model.onnx")
        finn.bootstrap(work)
        qonnx = ModelWrapper(str(work / "model.onnx"))
        graph = hardware_graph(qonnx, network, CONTRACT, "label").graph
        dataflow = finn.dataflow(graph)
    scores, labels = (graph.edges[edge].id for edge in (graph.layers[-1].input, graph.sink.id))

    def ours() -> dict[str, np.ndarray]:
        blocks = [reference.run(graph, drawn[i : i + BATCH]) for i in range(0, images, BATCH)]
        return {key: np.concatenate([block[key] for block in blocks]) for key in (scores, labels)}

    reference.run(graph, drawn[:BATCH])  # threads started, memory mapped
    seconds, expected = timed(ours)
    rate = images / seconds
    rows: list[tuple[object, ...]] = [(network, "integer reference", images, rate, "", "")]
    for sanitise, count in FINN_IMAGES.items():
        os.environ["SANITIZE_QUANT_TENSORS"] = sanitise
        seconds, contexts = timed(lambda count=count: finn.execute(dataflow.model, drawn[:count]))  # type: ignore[misc]
        found = np.stack([context[dataflow.tensors[scores]].reshape(-1) for context in contexts])
        equal = np.array_equal(found, expected[scores][:count])
        rows.append(_row(f"FINN, SANITIZE_QUANT_TENSORS={sanitise}", count, seconds, rate, equal))
    floats = planes.astype(np.float32) * np.float32(CONTRACT.scale)
    seconds, logits = timed(lambda: verify.execute(qonnx, floats, BATCH))
    # where accumulators tie, the rounding of floats decides: any of theirs is right
    chosen = np.take_along_axis(expected[scores], logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    right = int((chosen == expected[scores].max(axis=1)).sum())
    row = _row("QONNX", images, seconds, rate, right == images)
    # floats may round across a threshold that an untrained network's sum meets exactly
    return [*rows, row if right == images else (*row[:-1], f"{right:,} of {images:,}")]


def _row(name: str, images: int, seconds: float, ours: float, equal: bool) -> tuple[object, ...]:
    rate = images / seconds
    return "", name, images, rate, f"{ours / rate:,.1f}x", "yes" if equal else "NO"


def main() -> None:
    sizes = [(name, table.HIDDEN[name], 1) for name in table.HIDDEN]
    sizes.append(("lfc", table.HIDDEN["lfc"], 2))
    images = IMAGES
    if table.options(__doc__).quick:
        sizes, images = [("tiny", table.TINY, 1)], 100
    rows = [row for size in sizes for row in measure(*size, images)]
    columns = ("network", "executed by", "images", "images/s", "ours is faster", "equal")
    table.show("Execution in software (measured)", columns, rows)


if __name__ == "__main__":
    main()
