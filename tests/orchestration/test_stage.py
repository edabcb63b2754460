"""The contract of a stage: published whole, remembered by its manifest, resumed, replayed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import state
from pipeline.errors import PipelineError, ToolError
from pipeline.graph import BY_NAME, STAGES, selection
from pipeline.stage import Task
from pipeline.variables import ROOT, Settings


class Bench:
    """A data -> train -> export chain of fake stages in a build folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(build_dir=str(folder / "build"))
        self.counter = folder / "counter"
        self.shown: list[str] = []

    def tasks(self, **given: str) -> list[Task]:
        (unit,) = selection(given).units
        chain: list[Task] = []
        for name in ("data", "train", "export"):
            stage = replace(BY_NAME[name], module="tests.orchestration.fakes")
            inputs = tuple(task for task in chain if task.stage.name in stage.needs)
            chain.append(Task(stage, unit.at(stage.scope), inputs, self.settings))
        return chain

    def build(self, **given: str) -> list[str]:
        """What ran, as doit would run it."""
        ran = []
        for task in self.tasks(**given):
            if task.outdated() is not None:
                task.execute(lambda text, share: self.shown.append(text))
                ran.append(task.stage.name)
        return ran


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.setenv("FAKE_COUNTER", str(bench.counter))
    return bench


def test_nothing_runs_twice(bench: Bench) -> None:
    assert bench.build() == ["data", "train", "export"]
    assert bench.build() == []
    assert bench.build(board="Ultra96") == []
    assert bench.build(epochs="5") == ["train", "export"]
    assert bench.build() == [], "switching back rebuilds nothing"
    assert bench.counter.read_text().split() == ["data", "train", "export", "train", "export"]


def test_manifest_holds_content_only_and_run_record_the_rest(bench: Bench) -> None:
    bench.build()
    train = bench.tasks()[1]
    text = (train.folder / "manifest.json").read_text()
    manifest, record = json.loads(text), state.run_record(train.folder)
    assert manifest["outputs"] == {"out.txt": state.sha256(train.folder / "out.txt")}
    assert manifest["metrics"]["epochs"]["kind"] == "measured"
    assert str(ROOT) not in text
    assert str(train.build) not in text
    assert record is not None
    assert record["seconds"] > 0
    assert record["peak_memory_mib"] > 0
    assert record["tools"]["torch"]
    shutil.rmtree(train.folder)
    bench.build()
    assert (train.folder / "manifest.json").read_text() == text, "functions of content alone"


def test_deleted_or_altered_outputs_are_built_again(bench: Bench) -> None:
    bench.build()
    train = bench.tasks()[1]
    (train.folder / "out.txt").unlink()
    assert bench.build() == ["train"], "the same outputs again: export has nothing to do"
    (train.folder / "out.txt").write_text("altered")
    assert train.outdated() == "out.txt was changed"
    assert bench.build() == ["train"]


def test_damage_that_keeps_size_and_time_is_found_by_hashing(bench: Bench) -> None:
    bench.build()
    path = bench.tasks()[1].folder / "out.txt"
    stat = path.stat()
    path.write_text(path.read_text().replace("epochs", "EPOCHS"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert bench.tasks()[1].outdated() is None
    assert state.damaged_outputs(path.parent) == ["out.txt"]


def test_identical_outputs_stop_the_cascade(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_TRAIN", "same")
    bench.build()
    train = bench.tasks()[1]
    raised = replace(train, stage=replace(train.stage, version=2))
    assert raised.outdated() is not None
    raised.execute(lambda text, share: None)
    assert bench.tasks()[2].outdated() is None


def test_the_users_mistake_has_no_traceback_and_a_bug_keeps_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DATA", "refuse")
    with pytest.raises(PipelineError) as mistake:
        bench.build()
    assert str(mistake.value) == "the user's mistake: field x"
    monkeypatch.setenv("FAKE_DATA", "bug")
    with pytest.raises(ToolError, match=r"(?s)ZeroDivisionError: a bug.*data.log"):
        bench.build()
    assert not bench.tasks()[0].folder.exists()


def test_a_job_file_replays_by_itself(bench: Bench) -> None:
    bench.build()
    train = bench.tasks()[1]
    before = state.manifest(train.folder)
    shutil.rmtree(train.folder)
    subprocess.run([sys.executable, "-m", "pipeline.run", train.job_file], check=True, cwd=ROOT)
    assert state.manifest(train.folder) == before
    assert bench.build() == []


def test_a_killed_stage_is_offered_what_it_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRAIN", "hang")
    data, train, _ = bench.tasks()
    data.execute(lambda text, share: None)
    code = (
        "from tests.orchestration.test_stage import Bench; from pathlib import Path;"
        f"Bench(Path({str(bench.counter.parent)!r})).build()"
    )
    doit = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    partial = state.partial_of(train.folder)
    for _ in range(400):
        if (partial / "half.txt").exists():
            break
        time.sleep(0.05)
    doit.send_signal(signal.SIGKILL)
    doit.wait()
    assert not train.folder.exists()
    assert bench.build() == ["train", "export"]
    assert not (train.folder / "half.txt").exists()
    assert not partial.exists()


def test_a_partial_of_another_job_is_not_offered(tmp_path: Path) -> None:
    final = tmp_path / "train"
    (state.open_partial(final, "one") / "checkpoint").write_text("")
    assert (state.open_partial(final, "one") / "checkpoint").exists()
    assert not (state.open_partial(final, "two") / "checkpoint").exists()


def complete(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "out.txt").write_text(text)
    job = {"stage": "s", "unit": "u", "version": 1, "specs": {}, "digest": text}
    state.seal(folder, job, {}, {})


@pytest.mark.parametrize("cut", ["before the first rename", "between renames", "before deletion"])
def test_a_publish_cut_anywhere_is_finished(tmp_path: Path, cut: str) -> None:
    final, partial, old = (tmp_path / name for name in ("s", "s.partial", "s.old"))
    if cut == "before the first rename":
        complete(final, "old")
        complete(partial, "new")
    elif cut == "between renames":
        complete(old, "old")
        complete(partial, "new")
    else:
        complete(old, "old")
        complete(final, "new")
    state.recover(final)
    assert (final / "out.txt").read_text() == "new"
    assert state.changed_output(final) is None
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_an_old_folder_comes_back_if_the_new_one_is_not_complete(tmp_path: Path) -> None:
    complete(tmp_path / "s.old", "old")
    (tmp_path / "s.partial").mkdir()
    state.recover(tmp_path / "s")
    assert (tmp_path / "s" / "out.txt").read_text() == "old"


def test_two_builds_at_once_do_the_work_once(bench: Bench) -> None:
    (task,) = bench.tasks()[:1]
    task.job_file.parent.mkdir(parents=True)
    task.job_file.write_text(json.dumps(task.job()))
    command = [sys.executable, "-m", "pipeline.run", str(task.job_file)]
    both = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert bench.counter.read_text().split() == ["data"]


# spec field -> stages that read it, beyond what their inputs' change causes
READERS = {
    "network.name": {"streamline"},
    "network.description": set(),
    "network.dataset": {"data"},
    "network.model": {"train", "export", "streamline"},
    "network.input": {"train", "export", "streamline"},
    "network.training": {"train"},
    "board.name": set(),
    "board.description": set(),
    "board.part": set(),
    "board.family": {"fold", "synth"},
    "board.lut": {"fold", "synth"},
    "board.ff": {"synth"},
    "board.bram36": {"fold", "synth"},
    "board.dsp": {"synth"},
    "board.uram": set(),
    "board.memory_port_bits": {"fold"},
    "board.clock_mhz": set(),  # through target.clock_mhz, which defaults to it
    "board.lut_share": {"fold"},
    "board.bram_share": {"fold"},
    "target.engine": set(),  # part of the unit's name
    "target.fps": {"fold"},
    "target.clock_mhz": {"fold", "simulate", "synth"},
}


def test_every_spec_field_has_exactly_its_readers() -> None:
    (unit,) = selection({}).units
    assert unit.board is not None
    assert unit.target is not None
    fields = {
        f"{section}.{field}"
        for section, spec in (
            ("network", unit.network),
            ("board", unit.board),
            ("target", unit.target),
        )
        for field in type(spec).model_fields
    }
    assert fields == set(READERS)
    for field, readers in READERS.items():
        declared = {
            stage.name
            for stage in STAGES
            if any(path == field or field.endswith(f".{path}") for path in stage.reads)
        }
        assert declared == readers, field


def test_every_declared_path_can_be_read() -> None:
    (unit,) = selection({}).units
    for stage in STAGES:
        for path in stage.reads:
            json.dumps(unit.at(stage.scope).read(path))
