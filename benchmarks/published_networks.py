"""Shows every network of the reference set beside its published accuracy.

    ./doit build network=tfc_1w1a board=Pynq-Z1,Ultra96 data_root=~/mnist
    .venv/bin/python benchmarks/published_networks.py network=tfc_1w1a board=Pynq-Z1,Ultra96
    .venv/bin/python benchmarks/published_networks.py --quick   # only prints the table

Takes the variables of a build, copies the figures of its manifests into docs/networks.json, which
has one record for each network, and writes docs/networks.md from all records. remark="..." adds a
note to the record.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import table
from pipeline.engines.open.costs import space
from pipeline.engines.space import Budget
from pipeline.errors import DoesNotFit
from pipeline.flow import state
from pipeline.flow.selection import selection
from pipeline.flow.unit import Unit
from pipeline.folding import search
from pipeline.hardware import graph as hardware
from pipeline.job import Metrics

DOCS = Path(__file__).resolve().parents[1] / "docs"
RECORDS, OUT = DOCS / "networks.json", DOCS / "networks.md"
BOARDS = ("Pynq-Z1", "Ultra96")
PUBLISHED: dict[str, float | None] = {
    "tfc_1w1a": 93.17,
    "tfc_1w2a": 94.79,
    "tfc_2w2a": 96.60,
    "sfc_1w1a": 97.81,
    "sfc_1w2a": 98.31,
    "sfc_2w2a": 98.66,
    "lfc_1w1a": 98.88,
    "lfc_1w2a": 98.99,
    "cnv_1w1a": 84.22,
    "cnv_1w2a": 87.80,
    "cnv_2w2a": 89.03,
    "mask_1w1a": 99.15,
    "mask_1w1a_w050": 97.84,
    "mask_1w1a_w025": 93.37,
    "mask_1w1a_w0125": None,
    "resnet18_4w4a": 92.61,
    "resnet18_8w8a_e4m3": None,
    "resnet18_5w5a_e3m1": None,
    "resnet18_fp32": None,
}
"""Published accuracies in per cent, on the test images of the network's own data set. They are from
the README of brevitas_examples.bnn_pynq; of the masks from the README of
BNN-PYNQ-Mask-Classification, commit e86f486."""
COLUMNS = ("network", "reached", "with", "published", "equal level to level", *BOARDS)
HEAD = """<!-- written by benchmarks/published_networks.py -->
# The networks of the reference set

Accuracies are *measured* on the test images. The published ones are from Brevitas' README, after
500 or 1,000 epochs, and for the masks from the README of BNN-PYNQ-Mask-Classification. *Equal level
to level* counts the test images on which QONNX gives the label of the trained network, and those on
which the integer reference gives its label and the accumulators behind its logits. The last columns
describe the accelerator on each board at 100 MHz. Each figure has its kind. *Bit-exact* counts the
images for which the outputs of the RTL are right, and in brackets those for which every stream of
every layer is.

"""


def harvest(unit: Unit, folders: dict[str, Path], record: dict[str, Any]) -> None:
    """Copies the figures of one board unit into the record of its network."""
    found = {stage: state.metrics(folder) for stage, folder in folders.items()}
    if found["train"]:
        record |= _software(unit, found)
    assert unit.board is not None
    if why := unit.network.model.no_hardware():
        record["boards"] = dict.fromkeys(BOARDS, f"none: {why.split(':')[1].split(',')[0].strip()}")
    elif found["streamline"]:
        record.setdefault("boards", {})[unit.board.name] = _hardware(unit, folders, found)


def _software(unit: Unit, found: dict[str, Metrics]) -> dict[str, Any]:
    train, data, export = found["train"], found["data"], found["export"]
    images = data["train_images"].value
    note = str(data["content"].value).split(":")[0].split(";")[0]
    other = f" ({note})" if note.startswith("not ") else ""
    told = {
        "accuracy": round(float(train["test_accuracy"].value), 4),
        "budget": f"{train['epochs'].value} epochs of {images:,} images of {unit.network.dataset}"
        f"{other}, {train['test_images'].value:,} test images",
    }
    equal = []
    if export:
        equal.append(f"QONNX {_count(export['equal'].value)} of {_count(export['images'].value)}")
        if "rounded_apart" in export:
            values, apart = (export[f"rounded_{x}"].value for x in ("values", "apart"))
            equal[-1] += f" ({values} activations of {apart} images rounded apart, all else equal)"
    if found["streamline"]:
        equal.append(f"integer reference {found['streamline']['equal'].value}")
    return {**told, "equal": "; ".join(equal)}


def _hardware(unit: Unit, folders: dict[str, Path], found: dict[str, Metrics]) -> str:
    fold, fps = found["fold"], unit.read("target.fps")
    aim = f"at {fps:g} fps: " if fps else ""
    if not fold:
        return aim + _refusal(unit, folders["streamline"])
    best: Metrics = {**fold, **found["simulate"], **found["synth"]}
    figures = [f"II {_count(best['ii'].value)} {best['ii'].kind}"]
    figures += [f"{best[name]} {best[name].kind}" for name in ("lut", "bram36")]
    if found["simulate"]:
        proved = found["simulate"]
        figures.append(f"bit-exact {proved['bit_exact'].value} ({proved['streams'].value})")
    return aim + ", ".join(figures)


def _refusal(unit: Unit, streamlined: Path) -> str:
    """What the stage `fold` says about a network that does not fit on the board."""
    board, graph = unit.board, hardware.load(streamlined)
    assert board is not None
    every = Budget(board.lut, 2 * board.bram36, board.memory_port_bits)
    budget = Budget(board.lut_share * every.lut, board.bram_share * every.bram18, every.input_bits)
    try:
        search(space(graph), budget, every, board.clock_mhz, unit.read("target.fps"))
    except DoesNotFit as error:
        return f"does not fit: {str(error).partition('budget: ')[2].partition(';')[0]}"
    return "fits; not folded yet"


def _count(value: float | int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def rows(records: dict[str, Any]) -> list[tuple[object, ...]]:
    found = []
    for name, published in PUBLISHED.items():
        record = records.get(name, {})
        reached = record.get("accuracy")
        boards = record.get("boards", {})
        found.append(
            (
                name,
                "not trained here" if reached is None else f"{reached:.2f} %",
                record.get("budget", ""),
                "not known" if published is None else f"{published:.2f} %",
                record.get("equal", ""),
                *(boards.get(board, "not built") for board in BOARDS),
            )
        )
    return found


def main() -> None:
    records = json.loads(RECORDS.read_text()) if RECORDS.is_file() else {}
    if "--quick" not in sys.argv:
        given = dict(word.split("=", 1) for word in sys.argv[1:])
        remark = given.pop("remark", None)
        chosen = selection(given)
        for unit in chosen.units:
            folders = {task.stage.name: task.folder for task in chosen.chain(unit)}
            every = {stage: folders.get(stage, Path("absent")) for stage in _STAGES}
            record = records.setdefault(unit.network.name, {})
            harvest(unit, every, record)
            if remark is not None and "budget" in record:
                record["budget"] += f"; {remark}"
        RECORDS.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n")
    found = rows(records)
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(map(str, row))} |" for row in found]
    if "--quick" not in sys.argv:
        OUT.write_text(HEAD + "\n".join(lines) + "\n")
    short = [0, 1, 3, 4]  # the boards' columns are too wide for a console
    part = [[row[i] for i in short] for row in found]
    table.show("Networks of the reference set", [COLUMNS[i] for i in short], part)


_STAGES = ("data", "train", "export", "streamline", "fold", "simulate", "synth")


if __name__ == "__main__":
    main()
