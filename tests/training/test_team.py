"""Several processes, by the launcher itself: they train what one process trains."""

import csv
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from pipeline import data
from pipeline.errors import PipelineError, SpecError
from pipeline.job import Job, Metrics
from pipeline.training import run, team
from pipeline.training.team import Team

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = ("weights.safetensors", "last.safetensors", "curves.csv")

MakeDigits = Callable[..., Job]


@pytest.fixture(scope="module")
def make_digits(tmp_path_factory: pytest.TempPathFactory) -> MakeDigits:
    """A training job on the embedded digits, with all that draws random numbers."""
    images = tmp_path_factory.mktemp("data")
    specs: dict[str, object] = {
        "dataset": "digits",
        "data_files": None,
        "data_size": None,
        "network.data": {},
    }
    data.run(Job("data", "digits", specs, {}, images))

    def make(name: str, settings: dict[str, Any] | None = None, **training: Any) -> Job:
        folder = tmp_path_factory.mktemp(name)
        bits = {"weight_bits": 2, "activation_bits": 2, "input_bits": 2}
        specs = {
            "network.model": {"family": "fc", "hidden": [32, 32], **bits},
            "network.input": {"shape": [8, 8, 1]},
            "network.training": {"epochs": 8, "crop_padding": 1, "flip": True, **training},
        }
        return Job("train", name, specs, {"data": images}, folder, settings or {})

    return make


@pytest.fixture(scope="module")
def together(make_digits: MakeDigits) -> tuple[Job, Metrics]:
    """What two processes of one machine have trained."""
    job = make_digits("together", processes=2)
    return job, run(job)


def outputs(job: Job) -> list[bytes]:
    return [(job.folder / name).read_bytes() for name in OUTPUTS]


def losses(job: Job) -> torch.Tensor:
    with (job.folder / "curves.csv").open() as file:
        return torch.tensor([float(row["train_loss"]) for row in csv.DictReader(file)])


def test_two_processes_reach_the_result_of_one(
    make_digits: MakeDigits, together: tuple[Job, Metrics]
) -> None:
    """Images, dropout, augmentation and norms are those of the whole batch, for 104 steps of Adam.

    What differs is the order of sums: 5e-7 of the weights as measured. In a training that is long
    enough it will make one weight round to another level, from where on two trainings are two.
    """
    alone = make_digits("alone")
    expected = run(alone)
    job, found = together
    torch.testing.assert_close(losses(job), losses(alone), rtol=1e-5, atol=0)
    weights = load_file(job.folder / "last.safetensors")
    for name, value in load_file(alone.folder / "last.safetensors").items():
        torch.testing.assert_close(weights[name], value, rtol=1e-5, atol=1e-5, msg=name)
    assert found == expected
    assert float(found["test_accuracy"].value) > 30


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
        return port


def test_two_machines_end_with_one_result(
    make_digits: MakeDigits, together: tuple[Job, Metrics]
) -> None:
    """Two processes that know of each other by host and port alone, each with its own folder."""
    place = f"127.0.0.1:{free_port()}"
    machines = [
        make_digits(f"m{i}", {"rendezvous": place, "machine_rank": i}, machines=2) for i in range(2)
    ]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, machines))
    assert found == [together[1]] * 2
    assert [outputs(job) for job in machines] == [outputs(together[0])] * 2


def test_a_killed_team_ends_as_a_whole_and_goes_on_to_the_same_result(
    make_digits: MakeDigits, together: tuple[Job, Metrics]
) -> None:
    cut = make_digits("cut", processes=2)
    stage = start(cut)
    while not (cut.folder / "checkpoint.pt").exists():
        assert stage.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    below = psutil.Process(stage.pid).children(recursive=True)
    assert len(below) == 3, "the launcher and two processes"
    os.kill(stage.pid, signal.SIGKILL)
    assert stage.wait() == -signal.SIGKILL
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert not (cut.folder / "curves.csv").exists()
    assert (cut.folder / "checkpoint.pt").exists()
    assert run(cut) == together[1]
    assert outputs(cut) == outputs(together[0])
    assert not list(cut.folder.glob("checkpoint*"))


def start(job: Job) -> subprocess.Popen[bytes]:
    document = dataclasses.asdict(job)
    del document["read"]
    code = f"""
import json
from pathlib import Path
from pipeline.job import Job, Metrics
from pipeline.training import run, team
from pipeline.training.team import Team
job = json.loads({json.dumps(json.dumps(document, default=str))})
job["inputs"] = {{name: Path(place) for name, place in job["inputs"].items()}}
job["folder"] = Path(job["folder"])
run(Job(**job))
"""
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL)


def test_what_is_wrong_in_a_process_is_told_as_if_there_were_one(make_digits: MakeDigits) -> None:
    with pytest.raises(PipelineError, match=r"^training diverged in epoch 1: .* at step 2; choose"):
        run(make_digits("diverging", processes=2, learning_rate=1e38))


def test_processes_that_disagree_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the first of two, whose second has the same but for one value."""
    here = torch.nn.BatchNorm1d(4)
    there = {name: value.clone() for name, value in here.state_dict().items()}

    def reduce(sums: torch.Tensor, how: str) -> torch.Tensor:
        assert how == "max"
        others = torch.stack([value.sum(dtype=torch.float64) for value in there.values()])
        return torch.maximum(sums, next(signs) * others)

    monkeypatch.setattr(team, "reduce", reduce)
    signs = iter([1, -1, 1, -1])
    Team(size=2).check_same(here)
    there["running_var"][2] += 1e-6
    with pytest.raises(PipelineError, match=r"2 processes .* about running_var: the module"):
        Team(size=2).check_same(here)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, r"machines = 2: .*rendezvous = .*PIPELINE_RENDEZVOUS"),
        ({"rendezvous": "a:1", "machine_rank": 2}, r"machine_rank = 0 to 1 \(here 2\)"),
    ],
)
def test_machines_that_know_no_place_to_meet(
    make_digits: MakeDigits, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        run(make_digits("lost", settings, machines=2))


def test_no_gpu_is_told_before_anything_else(
    make_digits: MakeDigits, monkeypatch: pytest.MonkeyPatch
) -> None:
    for found, words in ((0, "torch sees no GPU on this machine"), (1, "torch sees 1 GPU on")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda found=found: found)
        with pytest.raises(
            SpecError, match=f'device = "cuda": {words}.*processes = 2 .*device=cpu'
        ):
            run(make_digits("gpu", device="cuda", processes=2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_learns_too(make_digits: MakeDigits, precision: str) -> None:
    fields = {"device": "cuda", "precision": precision, "epochs": 20}
    first, second = (make_digits("gpu", **fields) for _ in range(2))
    assert float(run(first)["test_accuracy"].value) > 70
    run(second)
    assert outputs(first) == outputs(second)
