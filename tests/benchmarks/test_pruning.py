"""The tables of pruned networks: what the thesis says, and what a build has before and after."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import pruning, thesis_pruning
from benchmarks.pruning import Built, gain, of_unit, of_variables, rows, work
from benchmarks.thesis_pruning import ITS, OURS, THESIS, WHOLE, Row, cheap, stays, thesis
from pipeline.errors import PipelineError
from pipeline.flow.documents import MANIFEST, sealed
from pipeline.hardware import graph as hardware
from pipeline.hardware.layers import Mvau
from pipeline.hardware.pruned import pruned
from pipeline.job import Figure, Kind
from tests.hardware.networks import dense

GRAPH = dense([32, 16, 16, 4], "INT2", "INT2")
SMALL = pruned(GRAPH, {"fc1": range(8)}, {})


def figure(value: float | str, kind: Kind = "estimated", unit: str = "") -> Figure:
    return Figure(value, unit, kind)


def built(ii: int, graph: hardware.HardwareGraph | None, **more: Any) -> Built:
    fold = {"ii": figure(ii), "bottleneck": figure("fc1"), "lut": figure(1000)}
    return Built("net", {"fold": fold, **more}, graph)


def test_the_thesis_has_what_its_figures_need() -> None:
    """Its frames per second are a clock of about 100 MHz (4 bits: 125) divided by the cycles."""
    for row in thesis():
        assert 95e6 < row.fps * row.ii < 130e6, row
        assert len(row.columns) == 6
        assert all(x % simd == 0 for x, simd in zip(row.columns, row.simd, strict=False)), row
        assert bool(row.simd) == (row.sparsity > 0)
    assert [row.step for row in thesis()] == [0, 1, 2, 3, 4, 5] * 2
    assert THESIS.read_text().count("same") == 8, "each other line names its source"


@pytest.mark.parametrize(("bits", "sparsity"), [(2, 15), (4, 15)])
def test_what_costs_at_most_a_point(bits: int, sparsity: int) -> None:
    assert cheap(thesis(), bits).sparsity == sparsity


def test_both_ways_leave_about_as_many_weights() -> None:
    sizes = [(64, 27), (64, 576), (128, 576), (128, 1152), (256, 1152), (256, 2304)]
    layers = [
        Mvau(f"conv{i}", "x", "y", (), weights=np.zeros(size)) for i, size in enumerate(sizes)
    ]

    def left(row: Row, way: str) -> list[int]:
        return [len(of.places(kept)) for of, kept in stays(layers, row, way)]

    whole = sum(mh * mw for mh, mw in sizes)
    for row in (row for row in thesis() if row.simd):
        its, ours = left(row, ITS), left(row, OURS)
        assert tuple(its) == row.columns
        shares = [
            sum(mh * x for (mh, _), x in zip(sizes, columns, strict=True)) / whole
            for columns in (its, ours)
        ]
        assert shares[0] == pytest.approx(shares[1], abs=0.07)


def test_a_board_that_is_too_small_is_told_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thesis_pruning, "network", lambda _bits: GRAPH)
    monkeypatch.setattr(thesis_pruning, "convolutions", lambda graph: graph.layers[1:2])
    given = thesis_pruning.board_ground("Pynq-Z1")
    small = replace(given, budget=replace(given.budget, lut=100))
    found = [thesis_pruning.point(on, "Pynq-Z1", 2, thesis()[0], WHOLE) for on in (small, given)]
    lines = [*thesis_pruning.lines(found)]
    assert "none fits" in lines[0]
    assert lines[0][-1].endswith(" of 100 LUT")
    assert "none fits" not in lines[1]


@pytest.mark.parametrize(
    ("ii", "end"), [(50, "got 2.00 times (estimated)."), (60, "which is less.")]
)
def test_the_gain_is_beside_what_the_bottleneck_lost(ii: int, end: str) -> None:
    assert (work(GRAPH, "fc1"), work(SMALL, "fc1"), work(SMALL, "fc9")) == (256, 128, 0)
    told = gain(built(100, GRAPH), built(ii, SMALL))
    assert told.startswith("Of fc1, which bounds the II of the whole network, 50.0 % was pruned")
    assert "implies 2.00 times the fps" in told
    assert told.endswith(end)


def test_a_simulated_ii_goes_before_the_estimate() -> None:
    simulated = {"simulate": {"ii": figure(40, "simulated")}}
    assert "got 2.50 times (estimated and simulated)" in gain(
        built(100, GRAPH), built(50, SMALL, **simulated)
    )
    assert "not built" in gain(built(100, GRAPH), Built("net", {}))


def test_each_line_has_its_kind_and_its_change() -> None:
    before = built(100, GRAPH, train={"test_accuracy": figure(90.0, "measured", "%")})
    after = built(50, SMALL, prune={"test_accuracy": figure(89.5, "measured", "%")})
    found = {row[0]: row[1:] for row in rows(before, after)}
    assert found["accuracy"] == ("90.00 %", "89.50 %", "-0.50 points")
    assert found["II, estimated"] == ("100", "50", "-50.0 %")
    assert found["II, stage simulate"] == ("not built", "not built", "")


def stage(build: Path, unit: str, name: str, inputs: dict[str, str], **metrics: float) -> None:
    """A published stage with these figures, and its job."""
    folder = build / unit / name
    folder.mkdir(parents=True)
    digest = "0" * 64
    figures = {x: {"value": y, "unit": "", "kind": "measured"} for x, y in metrics.items()}
    document = {"unit": unit, "stage": name, "version": 1, "specs": {}, "inputs": {},
                "digest": digest, "outputs": {}, "metrics": figures}  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(sealed(document)))
    job = {"stage": name, "module": "pipeline.x", "resumes": False, "always": False,
           "memory_mib": 1, "version": 1, "unit": unit, "long_name": unit, "files": [],
           "specs": {}, "inputs": inputs, "settings": {}}  # fmt: skip
    folder.with_name(f"{name}.job.json").write_text(json.dumps(job))


def test_a_unit_by_its_name_has_the_stages_of_those_it_needs(tmp_path: Path) -> None:
    stage(tmp_path, "net", "train", {}, test_accuracy=91.5)
    stage(tmp_path, "net.prune", "prune", {"train": "net/train"}, test_accuracy=90.5)
    (tmp_path / "net.prune/prune/rounds.csv").write_text("weights,macs\n100,400\n50,100\n")
    # long names end in a digest, and have no @
    stage(tmp_path, "net.pru-12345678", "fold", {"prune": "net.prune/prune"})
    stage(tmp_path, "net.pru-12345678", "simulate", {"fold": "net.pru-12345678/fold"}, ii=7)
    found = of_unit(tmp_path, "net.pru-12345678")
    assert {name for name, figures in found.found.items() if figures} == {
        "train", "prune", "simulate",
    }  # fmt: skip
    lines = {row[0]: row[1:] for row in rows(of_unit(tmp_path, "net.pru-12345678"), found)}
    assert lines["accuracy"][1] == "90.5"
    assert lines["products an image"] == ("400", "100", "-75.0 %")
    with pytest.raises(PipelineError, match=r"nothing@b: no board unit .* net\.pru-12345678"):
        of_unit(tmp_path, "nothing@b")


def test_variables_give_the_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_BUILD_DIR", str(tmp_path))
    given = {"network": "tfc_2w2a", "prune": "columns", "sparsity": "0.5"}
    ((whole, small),) = of_variables(given)
    assert whole.name == "tfc_2w2a@Pynq-Z1.open"
    assert small.name == "tfc_2w2a.prune-columns.sparsity-0.5@Pynq-Z1.open"
    with pytest.raises(PipelineError, match="is not pruned"):
        list(of_variables({"network": "tfc_2w2a"}))
    assert pruning.MISSING in gain(whole, small)
