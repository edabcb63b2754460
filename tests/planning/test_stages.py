"""The stages sensitivity and prune-plan on a small network: files, resumption, what is refused."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import torch

from pipeline.chain import BY_NAME
from pipeline.errors import DoesNotFit, SpecError
from pipeline.folding import plan as folded
from pipeline.folding.search import least
from pipeline.hardware import graph as hardware
from pipeline.job import NOTES, Job
from pipeline.models import build, save_weights
from pipeline.outline import run as outline
from pipeline.planning import run, sensitivity
from pipeline.tools.files import sha256
from pipeline.training.loop import validate
from specs.base import read
from specs.board import BoardSpec
from specs.network import NetworkSpec
from tests.folding.test_stage import BOARD
from tests.training.conftest import blobs

__all__ = ["blobs"]

BITS = {"weight_bits": 2, "activation_bits": 2, "input_bits": 2}
NETWORK: dict[str, Any] = {
    "name": "net",
    "dataset": "digits",
    "input": {"shape": [6, 6, 1]},
    "model": {
        "family": "cnv",
        "convolutions": [{"channels": 16}, {"channels": 16, "kernel": 2}],
        "dense": [{"width": 16}],
        "classes": 3,
        **BITS,
    },
    "training": {"epochs": 1, "batch_size": 20},
}

Make = Callable[..., Job]


@pytest.fixture
def make(blobs: Path, tmp_path: Path) -> Make:
    """A job of one of both stages; keywords are spec fields. The weights are not trained."""

    def made(stage: str, **changes: object) -> Job:
        network = NetworkSpec.model_validate(
            {**NETWORK, "pruning": changes.pop("network__pruning", None)}
        ).model_dump(mode="json")
        spec = NetworkSpec.model_validate(network)
        train = tmp_path / "train"
        train.mkdir(exist_ok=True)
        torch.manual_seed(1)
        save_weights(build(spec.model, spec.input).state_dict(), train)
        plan = {"lut": None, "max_loss": 1.0, "granularity": "columns", "steps": 4}
        known: dict[str, Any] = {
            "network": network,
            **{f"network.{name}": network[name] for name in network},
            "plan": {**plan, "accuracies": None},
            "plan.granularity": "columns",
            "plan.steps": 4,
            "evaluation.images": None,
            "board.name": "Pynq-Z1",
            **BOARD,
            **{key.replace("__", "."): value for key, value in changes.items()},
        }
        folder = tmp_path / stage
        folder.mkdir(exist_ok=True)
        inputs = {"data": blobs, "train": train, "outline": tmp_path / "outline"}
        inputs |= {"sensitivity": tmp_path / "sensitivity"}
        specs = {name: known[name] for name in BY_NAME[stage].reads}
        return Job(stage, "net", specs, inputs, folder)

    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_accuracy_of_each_layer_alone_is_measured_and_drawn(make: Make) -> None:
    job = make("sensitivity")
    figures = run(job)
    assert job.read == {*job.specs}
    found = rows(job.folder / "sensitivity.csv")
    layers = [*dict.fromkeys(row["layer"] for row in found)]
    assert layers == ["conv0", "conv1", "fc0", "fc1"]
    whole = {row["accuracy"] for row in found if float(row["sparsity"]) == 0}
    assert len(whole) == 1
    assert len(found) == float(figures["points"].value) > 2 * len(layers)
    assert any(row["accuracy"] not in whole for row in found), "pruning tells"
    text = (job.folder / "sensitivity.svg").read_text()
    ET.fromstring(text)  # noqa: S314 - our own
    assert sorted(path.name for path in job.folder.iterdir()) == [
        "sensitivity.csv",
        "sensitivity.svg",
    ]


def test_what_was_measured_is_not_measured_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make("sensitivity")
    run(job)
    files = {path.name: path.read_bytes() for path in job.folder.iterdir()}
    for path in job.folder.iterdir():
        path.unlink()
    real, calls = validate, [0]

    def cut(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 6:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(sensitivity, "validate", cut)
    with pytest.raises(KeyboardInterrupt):
        run(job)
    with (job.folder / "rows.partial.csv").open("a") as file:
        file.write("conv1,0.5")  # a line that was cut
    calls[0] = 3
    with pytest.raises(KeyboardInterrupt):  # and once more
        run(job)
    calls[0] = 100
    run(job)
    points = len(rows(job.folder / "sensitivity.csv"))
    assert calls[0] - 100 < points - 4 + 1, "and the whole network once more"
    assert {path.name: path.read_bytes() for path in job.folder.iterdir()} == files


def outlined(make: Make, tmp_path: Path) -> None:
    (tmp_path / "outline").mkdir()
    reads = BY_NAME["outline"].reads
    specs = {path: make("sensitivity").specs.get(path) for path in reads}
    specs |= {"network.name": "net", "network.output": "label"}
    outline(Job("outline", "net", specs, {}, tmp_path / "outline"))


TABLE = """layer,sparsity,accuracy
conv0,0,90
conv1,0.25,89.9
conv1,0.5,89.5
conv1,0.75,85
fc0,0.5,80
"""


def planned(make: Make, tmp_path: Path, **changes: object) -> Job:
    if not (tmp_path / "outline").exists():
        outlined(make, tmp_path)
    (tmp_path / "sensitivity" / "sensitivity.csv").write_text(TABLE)
    return make("prune-plan", **changes)


def test_a_plan_reaches_the_speed_and_is_a_network_that_can_be_built(
    make: Make, tmp_path: Path
) -> None:
    job = planned(make, tmp_path, board__lut=2500)
    graph = hardware.load(tmp_path / "outline")
    whole = folded(job, graph)
    fps = 100e6 / (whole.solution.ii - 1)
    job = planned(make, tmp_path, board__lut=2500, target__fps=fps)
    figures = run(job)
    assert job.read == {*job.specs}
    assert float(figures["fps"].value) >= int(fps)
    network = read(NetworkSpec, job.folder / "plan.toml")
    assert network.pruning is not None
    assert set(network.pruning.layers) <= {"conv1", "fc0"}
    document = json.loads((job.folder / "candidates.json").read_text())
    chosen = document["chosen"]
    assert chosen["certificate"]["bound"]["least_ii"] <= chosen["ii"] < whole.solution.ii
    assert (
        chosen["loss"]
        == chosen["least_loss"]
        == pytest.approx(90 - float(figures["accuracy"].value))
    )
    assert all("certificate" in found for found in document["candidates"])
    front = rows(job.folder / "pareto.csv")
    assert (front[0]["ii"], front[0]["accuracy"]) == (str(whole.solution.ii), "90.00")
    note = (job.folder / NOTES).read_text()
    assert "Next: ./doit build network=" in note
    assert f"fps={fps:.10g}" in note
    assert f"checkpoint={tmp_path / 'train'}" in note
    text = (job.folder / "pareto.svg").read_text()
    ET.fromstring(text)  # noqa: S314 - our own


def test_the_plan_names_the_weights_that_all_prunings_share(make: Make, tmp_path: Path) -> None:
    job = planned(make, tmp_path, board__lut=2500)
    (tmp_path / "train").rename(tmp_path / "whole")
    order = {"inputs": {"train": f"{tmp_path.name}/whole"}}
    (tmp_path / "sensitivity.job.json").write_text(json.dumps(order))
    run(job)
    assert f"checkpoint={tmp_path / 'whole'}" in (job.folder / NOTES).read_text()


def test_the_plan_for_few_luts_keeps_the_speed(make: Make, tmp_path: Path) -> None:
    job = planned(make, tmp_path)
    whole = folded(job, hardware.load(tmp_path / "outline"))
    fewest = least(whole.space, whole.solution.ii, whole.budget)[0].lut
    most = round(fewest + whole.shell.lut) - 40
    plan = {"lut": most, "max_loss": 1.0, "granularity": "columns", "steps": 4, "accuracies": None}
    figures = run(planned(make, tmp_path, plan=plan))
    assert float(figures["lut"].value) <= most
    assert float(figures["ii"].value) <= whole.solution.ii
    assert float(figures["loss"].value) > 0


def test_a_plan_leaves_room_for_what_training_adds(make: Make, tmp_path: Path) -> None:
    job = planned(make, tmp_path, board__lut=2500)
    run(job)
    document = json.loads((job.folder / "candidates.json").read_text())
    (whole, *pruned) = (x["budget"]["lut"] for x in (
        document["without_pruning"], *(x["certificate"] for x in document["candidates"])
    ))  # fmt: skip
    assert pruned
    assert pruned == [pytest.approx(0.995 * whole)] * len(pruned)


def test_a_speed_that_the_whole_network_just_reaches_needs_no_pruning(
    make: Make, tmp_path: Path
) -> None:
    """Even if its folding takes the last LUTs, which no plan takes."""
    job = planned(make, tmp_path)
    whole = folded(job, hardware.load(tmp_path / "outline"))
    need = least(whole.space, whole.solution.ii, whole.budget)[0].lut + whole.shell.lut
    fps = 100e6 / whole.solution.ii
    tight = math.ceil(need / BoardSpec.model_fields["lut_share"].default)
    figures = run(planned(make, tmp_path, target__fps=fps, board__lut=tight))
    assert figures["pruned"].value == "nothing"
    assert figures["ii"].value == whole.solution.ii


def test_a_speed_that_no_pruning_reaches_is_told(make: Make, tmp_path: Path) -> None:
    job = planned(make, tmp_path, target__fps=60e6)
    with pytest.raises(DoesNotFit, match=r"fps=60000000 .* at most 1 cycles, and no pruning"):
        run(job)


def test_the_users_own_table_takes_the_place_of_the_measured_one(
    make: Make, tmp_path: Path
) -> None:
    own = tmp_path / "own.csv"
    own.write_text("layer,sparsity,accuracy\nconv0,0,77\nconv0,0.5,70\n")
    plan = {"lut": None, "max_loss": 9.0, "granularity": "columns", "steps": 4}
    job = planned(make, tmp_path, board__lut=2500, plan={**plan, "accuracies": sha256(own)})
    job = Job(
        job.stage, job.unit, job.specs, {"outline": job.inputs["outline"]}, job.folder,
        {"files": {sha256(own): str(own)}},
    )  # fmt: skip
    assert float(run(job)["accuracy"].value) in (70, 77)


def test_single_weights_have_nothing_to_plan(make: Make, tmp_path: Path) -> None:
    job = planned(make, tmp_path, network__pruning={"granularity": "weights"})
    with pytest.raises(SpecError, match=r"single weights save\s+nothing in folded layers"):
        run(job)
