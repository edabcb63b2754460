"""A stage ends at its limits of time and memory, with all it started, and one line says so."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from pipeline.chain import ASKED, STAGES
from pipeline.errors import PipelineError
from pipeline.flow.task import Task
from pipeline.tools import memory
from pipeline.tools.memory import limit_mib
from tests.flow.bench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path, ("data",))
    monkeypatch.setenv("FAKE_COUNTER", str(bench.counter))
    return bench


def below() -> list[str]:
    """What this test process has started and is still there."""
    return [
        " ".join(process.cmdline())
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
    ]


def told(task: Task) -> str:
    with pytest.raises(PipelineError) as refusal:
        task.execute(lambda text, share: None)
    return str(refusal.value)


def test_a_stage_that_hangs_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DATA", "no end")
    (task,) = bench.tasks()
    task = replace(task, stage=replace(task.stage, time_limit_hours=1.5 / 3600))
    said = told(task)
    assert said.startswith("data:digits did not end within 1.5 s, its limit, and was ended.")
    assert "time_limit_hours in local.toml, or PIPELINE_TIME_LIMIT_HOURS" in said
    assert len(said.splitlines()) == 1
    assert str(task.log) in said
    assert not any("sleep 61" in words for words in below())


def test_the_setting_replaces_each_stages_own_limit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DATA", "no end")
    bench.settings = bench.settings.model_copy(update={"time_limit_hours": 1 / 3600})
    assert "did not end within 1 s" in told(bench.tasks()[0])


def test_a_stage_that_takes_far_more_memory_than_declared_is_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DATA", "allocate")
    monkeypatch.setattr(memory, "BASE_MIB", 0)
    (task,) = bench.tasks()
    said = told(replace(task, stage=replace(task.stage, memory_mib=128)))
    assert said.startswith("data:digits took more than 0.25 GiB of memory, its limit, and was")
    assert "memory_headroom in local.toml, or PIPELINE_MEMORY_HEADROOM" in said
    assert len(said.splitlines()) == 1
    assert not any("bytearray" in words for words in below())


def test_the_limit_is_generous_and_never_below_what_the_user_sets() -> None:
    assert limit_mib(1024, 2, None) == 4096
    assert limit_mib(1024, 4, None) == 6144
    assert limit_mib(1024, 2, 1) == 4096
    assert limit_mib(1024, 2, 32) == 32 * 1024


@pytest.mark.parametrize(
    ("training", "limit"),
    [
        ({"device": "cpu"}, 7168),
        ({"device": "cpu", "processes": 3}, 17408),
        ({"device": "cuda"}, None),
    ],
)
def test_each_process_counts_and_a_gpu_has_no_limit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, training: dict[str, object], limit: float | None
) -> None:
    bench.stages = ("data", "train")
    task = bench.tasks()[1]
    unit = SimpleNamespace(read=lambda path: training if path == "network.training" else {})
    assert replace(task, unit=unit)._memory_limit_mib() == limit  # type: ignore[arg-type] # as a unit


def test_every_stage_has_a_limit_of_hours_to_weeks() -> None:
    limits = {stage.name: stage.time_limit_hours for stage in (*STAGES, *ASKED)}
    assert all(hours >= 24 for hours in limits.values())
    assert max(limits, key=limits.__getitem__) == "train"
