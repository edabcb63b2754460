"""Whatever lies in a stage's places: a build repairs it, `clean` can, a power cut is outlived."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.flow import clean, publishing, state
from pipeline.flow.documents import RunRecord
from pipeline.flow.task import Task, lock_file
from tests.flow.bench import Bench

PLACES: dict[str, Callable[[Task], Path]] = {
    "stage": lambda task: task.folder,
    "partial": lambda task: publishing.partial_of(task.folder),
    "old": lambda task: publishing.old_of(task.folder),
    "lock": lambda task: lock_file(task.folder),
    "log": lambda task: task.log,
    "script": lambda task: task.log.with_name("data.log.sh"),
    "job": lambda task: task.job_file,
}


def folder(path: Path, elsewhere: Path) -> None:
    (path / "sub").mkdir(parents=True)
    (path / "sub" / "file").write_text("x")


def file(path: Path, elsewhere: Path) -> None:
    path.write_text("x")


def pipe(path: Path, elsewhere: Path) -> None:
    os.mkfifo(path)


def link(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere)


def link_to_nowhere(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere / "nowhere")


KINDS = (folder, file, pipe, link, link_to_nowhere)
Put = Callable[[Path, Path], None]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Somebody's folder, which must stay as it is."""
    path = tmp_path / "elsewhere"
    path.mkdir()
    (path / "theirs").write_text("theirs")
    (path / "manifest.json").write_text("{}")
    return path


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path, ("data",))
    monkeypatch.setenv("FAKE_COUNTER", str(bench.counter))
    return bench


@pytest.mark.parametrize("put", KINDS, ids=lambda put: put.__name__)
def test_a_build_repairs_every_place(bench: Bench, elsewhere: Path, put: Put) -> None:
    """All at once: whichever is not repaired ends the build."""
    (task,) = bench.tasks()
    task.folder.parent.mkdir(parents=True)
    for place in PLACES.values():
        put(place(task), elsewhere)
    (task.build / ".memory").mkdir()
    for number in range(2):
        put(task.build / ".memory" / f"{number}.lock", elsewhere)
    put(task.build / ".memory" / "turn.lock", elsewhere)
    assert bench.build() == ["data"]
    assert bench.build() == []
    assert sorted(path.name for path in elsewhere.iterdir()) == ["manifest.json", "theirs"]
    left = {path.name for path in task.folder.parent.iterdir()}
    assert left - {".data.lock"} == {"data", "data.job.json", "data.log", "data.log.sh"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("put", KINDS, ids=lambda put: put.__name__)
def test_clean_removes_every_place(bench: Bench, elsewhere: Path, put: Put, place: str) -> None:
    (task,) = bench.tasks()
    task.folder.parent.mkdir(parents=True)
    put(PLACES[place](task), elsewhere)
    assert clean.built(task) or (place == "lock" and put is not folder)
    clean.remove_stage(task)
    assert not task.folder.parent.exists()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["manifest.json", "theirs"]


@pytest.mark.parametrize("put", [file, pipe, link_to_nowhere], ids=lambda put: put.__name__)
def test_what_is_no_folder_in_a_units_place_is_told_and_cleaned(
    bench: Bench, elsewhere: Path, put: Put
) -> None:
    (task,) = bench.tasks()
    task.build.mkdir()
    put(task.folder.parent, elsewhere)
    with pytest.raises(PipelineError, match=r"digits: is no folder; .*\./doit clean"):
        bench.build()
    assert clean.built(task)
    clean.remove_stage(task)
    assert bench.build() == ["data"]


def test_a_unit_that_is_a_link_to_another_disk(bench: Bench, elsewhere: Path) -> None:
    bench.stages = ("data", "train")
    data, train = bench.tasks()
    other = elsewhere / "unit"
    other.mkdir()
    data.build.mkdir()
    train.folder.parent.symlink_to(other)
    assert bench.build() == ["data", "train"]
    assert bench.build() == []
    assert (other / "train" / "manifest.json").is_file()
    assert not any(elsewhere.glob(".*")), "nothing beside the unit: neither memory nor cache"
    (train.folder / "out.txt").unlink()
    assert bench.build() == ["train"]
    for task in (train, data):
        clean.remove_stage(task)
    assert [*other.iterdir()] == []
    assert train.folder.parent.is_symlink(), "whoever made it keeps it"
    assert bench.build() == ["data", "train"]


def test_what_cannot_be_removed_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (task,) = bench.tasks()
    task.folder.mkdir(parents=True)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(clean, "remove", refuse)
    with pytest.raises(PipelineError, match=r"cannot be removed \(Permission denied\)"):
        clean.remove_stage(task)


def test_what_is_not_complete_is_never_published_by_recovery(tmp_path: Path) -> None:
    final = tmp_path / "s"
    for name in ("s", "s.partial", "s.old"):
        (tmp_path / name).mkdir()
    basis: dict[str, Any] = {"stage": "s", "version": 1, "specs": {}, "inputs": {}}
    (final / "good").write_text("")
    state.seal(final, "u", basis, {}, RunRecord())
    for other in (publishing.partial_of(final), publishing.old_of(final)):
        (other / "manifest.json").write_text("{}")
    publishing.recover(final)
    assert (final / "good").exists()
    assert not publishing.cut(final)


def test_all_is_on_the_disk_before_the_rename_that_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls in their order: a power cut leaves the old stage or the whole new one."""
    final = tmp_path / "s"
    final.mkdir()
    partial = publishing.open_partial(final, "0" * 64, False)
    (partial / "sub").mkdir()
    for name in ("a.txt", "sub/b.txt"):
        (partial / name).write_text(name)
    calls: list[str] = []
    sync, rename, replace = os.fsync, Path.rename, Path.replace

    def name_of(path: Path) -> str:
        return str(path.relative_to(tmp_path)).replace(str(os.getpid()), "PID")

    def synced(descriptor: int) -> None:
        calls.append(f"sync {name_of(Path(f'/proc/self/fd/{descriptor}').readlink())}")
        sync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        calls.append(f"rename {name_of(self)} {name_of(target)}")
        return (rename if self.is_dir() else replace)(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(Path, "replace", renamed)
    basis: dict[str, Any] = {"stage": "s", "version": 1, "specs": {}, "inputs": {}}
    state.seal(partial, "u", basis, {}, RunRecord())
    publishing.publish(final)
    assert calls == [
        "sync s.partial/a.txt",
        "sync s.partial/sub/b.txt",
        "sync s.partial/sub",
        "sync s.partial/.run.json.PID",
        "rename s.partial/.run.json.PID s.partial/run.json",
        "sync s.partial/.manifest.json.PID",
        "rename s.partial/.manifest.json.PID s.partial/manifest.json",
        "sync s.partial",
        "rename s s.old",
        "rename s.partial s",
        "sync .",
    ]
