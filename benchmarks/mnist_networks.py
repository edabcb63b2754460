"""The fully connected networks on MNIST beside their published accuracies, from what is built.

    ./doit build network=tfc_1w1a,... board=Pynq-Z1 data_root=~/mnist  # LFC: an hour
    ./doit fold network=tfc_1w1a,... board=all data_root=~/mnist        # minutes
    .venv/bin/python benchmarks/mnist_networks.py  # prints it and writes docs/mnist.md

Reads only manifests. What is not built appears as "not built". Each figure keeps the kind that its
stage gave it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.published_networks import PUBLISHED
from pipeline.flow import state
from pipeline.flow.selection import selection
from pipeline.flow.task import Task
from pipeline.job import Metrics

OUT = Path(__file__).resolve().parents[1] / "docs" / "mnist.md"
NETWORKS = [name for name in PUBLISHED if name[:3] in ("tfc", "sfc", "lfc")] + ["lfc_2w2a"]

HEAD = """# The fully connected networks on MNIST

`benchmarks/mnist_networks.py` writes this page from the manifests of real builds. Training ran on
one core, without a GPU.

Accuracy and equality are measured on all 10,000 test images. *QONNX equal* counts the images on
which QONNX gives Brevitas' label and logits. *Integer reference equal* counts those on which the
integer reference gives Brevitas' label and the accumulators behind its logits.

| network | epochs | CPU s | accuracy | published | QONNX equal | integer reference equal |
|---|---|---|---|---|---|---|
"""
BOARDS = """
The next table shows the accelerators at the boards' 100 MHz, each as fast as its board
allows. *Synthesised* rows were built to the end: the II is simulated, every stream is bit-exact,
and LUT and BRAM36 come from Yosys' netlist. *Estimated* rows were only folded: their folding is
optimal according to the cost model, and LUT and BRAM36 are the model's.

| network | board | II | LUT | BRAM36 | share of LUTs | share of BRAM | bit-exact images | kind |
|---|---|---|---|---|---|---|---|---|
"""


def metrics(chain: dict[str, Task], stage: str) -> Metrics:
    return state.metrics(chain[stage].folder)


def training_row(name: str, chain: dict[str, Task]) -> Iterator[str]:
    train, export, reference = (metrics(chain, x) for x in ("train", "export", "streamline"))
    if not train:
        yield f"| `{name}` | | | not built | {PUBLISHED.get(name, '')} | | |"
        return
    record = state.run_record(chain["train"].folder)
    cells = [
        f"`{name}`",
        str(train["epochs"].value),
        f"{record.cpu_seconds if record else 0:.0f}",
        f"{float(train['test_accuracy'].value):.2f} %",
        f"{PUBLISHED[name]:.2f} %" if name in PUBLISHED else "none",
        str(export["equal"].value) if export else "not built",
        str(reference["equal"].value) if reference else "not built",
    ]
    yield "| " + " | ".join(cells) + " |"


def hardware_row(name: str, chain: dict[str, Task]) -> Iterator[str]:
    unit = chain["synth"].unit
    board = unit.name.split("@")[1].split(".")[0]
    fold, synth, simulate = (metrics(chain, x) for x in ("fold", "synth", "simulate"))
    found: Metrics = synth or fold
    if not found:
        yield f"| `{name}` | {board} | not built | | | | | | |"
        return
    have: dict[str, Any] = {key: unit.read(f"board.{key}") for key in ("lut", "bram36")}
    ii = simulate["ii"] if simulate else fold["ii"]
    lut, bram = float(found["lut"].value), float(found["bram36"].value)
    cells = [
        f"`{name}`",
        board,
        f"{ii.value:,} {ii.kind}",
        f"{lut:,.0f}",
        f"{bram:g}",
        f"{100 * lut / have['lut']:.0f} %",
        f"{100 * bram / have['bram36']:.0f} %",
        str(simulate["bit_exact"].value) if simulate else "",
        found["lut"].kind,
    ]
    yield "| " + " | ".join(cells) + " |"


def main() -> None:
    chosen = selection({"network": ",".join(NETWORKS), "board": "all"})
    rows: dict[str, list[str]] = {"training": [], "hardware": []}
    seen = set()
    for unit in sorted(chosen.units, key=lambda x: NETWORKS.index(x.network.name)):
        chain = {task.stage.name: task for task in chosen.chain(unit)}
        name = unit.network.name
        if name not in seen:
            seen.add(name)
            rows["training"] += training_row(name, chain)
        rows["hardware"] += hardware_row(name, chain)
    text = HEAD + "\n".join(rows["training"]) + "\n" + BOARDS + "\n".join(rows["hardware"]) + "\n"
    print(text)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(text)


if __name__ == "__main__":
    main()
