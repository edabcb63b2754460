"""The fold stage: optimal under the budget or at a speed, and what it says when nothing fits."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DoesNotFit
from pipeline.folding import run
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import load_folding
from pipeline.job import Job
from pipeline.rtl.folds import check_folding, cycles
from tests.hardware.networks import dense

BOARD: dict[str, Any] = {
    "board.lut": 53_200,
    "board.bram36": 140,
    "board.lut_share": 0.85,
    "board.bram_share": 0.95,
    "board.memory_port_bits": 64,
    "board.family": "zynq-7000",
    "target.provider": "open",
    "target.costs": None,
    "target.fps": None,
    "target.clock_mhz": 100.0,
    "target.signatures": "off",
}


def fold(tmp_path: Path, **changes: object) -> Job:
    """The job of a 784-64-64-10 network after it ran."""
    streamlined, folder = tmp_path / "streamline", tmp_path / "fold"
    for path in (streamlined, folder):
        path.mkdir()
    hardware.save(dense([784, 64, 64, 10]), streamlined)
    specs = {**BOARD, **{name.replace("__", "."): value for name, value in changes.items()}}
    job = Job("fold", "net", specs, {"streamline": streamlined}, folder)
    run(job)
    return job


def slowest(job: Job) -> int:
    graph = hardware.load(job.inputs["streamline"])
    folding = load_folding(job.folder / "folding.json")
    check_folding(graph, folding)
    return max(cycles(layer, folding[layer.id], graph.edges[layer.input]) for layer in graph.layers)


def certificate(job: Job) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((job.folder / "certificate.json").read_text())
    return document


def test_the_memory_port_bounds_a_small_network(tmp_path: Path) -> None:
    job = fold(tmp_path)
    assert slowest(job) == 98, "784 bytes through 64 bits a clock"
    bound = certificate(job)["bound"]
    assert [need["resource"] for need in bound["binding"]] == ["input_bits"]
    assert bound["next_faster_ii"] < 98


def test_a_wider_port_makes_it_faster(tmp_path: Path) -> None:
    assert slowest(fold(tmp_path, board__memory_port_bits=128)) == 49


def test_a_speed_is_reached_with_less(tmp_path: Path) -> None:
    (tmp_path / "slow").mkdir()
    (tmp_path / "fast").mkdir()
    slow, fast = fold(tmp_path / "slow", target__fps=100_000.0), fold(tmp_path / "fast")
    assert slowest(slow) <= 1000
    assert certificate(slow)["estimated"]["lut"] < 0.5 * certificate(fast)["estimated"]["lut"]


@pytest.mark.parametrize("bram36", [1, 4])
def test_lut_can_bind(tmp_path: Path, bram36: int) -> None:
    (tmp_path / "free").mkdir()
    (tmp_path / "short").mkdir()
    needed = certificate(fold(tmp_path / "free"))["estimated"]["lut"]
    job = fold(tmp_path / "short", board__lut=needed, board__bram36=bram36)
    assert slowest(job) > 98, "of the LUTs 85 % may be taken"
    needs = certificate(job)["bound"]["binding"]
    assert "lut" in {need["resource"] for need in needs}
    assert all(need["need"] > need["have"] for need in needs)


def test_the_front_begins_with_the_fastest(tmp_path: Path) -> None:
    rows = list(csv.DictReader((fold(tmp_path).folder / "pareto.csv").open()))
    assert int(rows[0]["ii"]) == 98
    iis = [int(row["ii"]) for row in rows]
    assert iis == sorted(iis)
    assert int(rows[-1]["lut"]) < int(rows[0]["lut"])


def test_the_speed_shown_asks_for_no_lower_ii(tmp_path: Path) -> None:
    rows = list(csv.DictReader((fold(tmp_path).folder / "pareto.csv").open()))
    for row in rows:
        assert math.floor(100e6 / int(row["fps"])) >= int(row["ii"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"target__fps": 2e6},
            r"fps=2000000 at 100 MHz needs an II of at most 50 cycles.*128 bits",
        ),
        ({"target__fps": 3e8}, "no legal folding takes fewer than 1 cycles, for which .* needed"),
        ({"board__lut": 200}, "not even the slowest folding .* fits the budget: .* LUTs needed"),
    ],
)
def test_what_does_not_fit_says_what_would(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(DoesNotFit, match=words):
        fold(tmp_path, **changes)
