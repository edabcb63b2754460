"""The contract of a stage: published whole, remembered by its manifest, resumed, replayed."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import ROOT
from pipeline.errors import PipelineError, ToolError
from pipeline.flow import publishing, state
from pipeline.flow.documents import RunRecord
from pipeline.flow.variables import Settings
from pipeline.tools.files import digest_of, sha256
from pipeline.tools.process import MARK
from tests.flow.bench import Bench


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
    assert manifest["outputs"] == {"out.txt": sha256(train.folder / "out.txt")}
    assert manifest["metrics"]["epochs"]["kind"] == "measured"
    assert str(ROOT) not in text
    assert str(train.build) not in text
    assert record is not None
    assert record.seconds > 0
    assert record.peak_memory_mib > 0
    assert record.tools["torch"]
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
    assert [*state.damaged_outputs(path.parent)] == [f"{path}: content differs from the manifest"]


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
    subprocess.run(
        [sys.executable, "-m", "pipeline.flow.run", train.job_file], check=True, cwd=ROOT
    )
    assert state.manifest(train.folder) == before
    assert bench.build() == []


def test_the_script_beside_a_failed_stage_runs_it_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand, when the doit that failed is gone: it once ended silently with 143."""
    monkeypatch.setenv("FAKE_TRAIN", "refuse")
    code = (
        "from tests.flow.bench import Bench; from pathlib import Path;"
        f"Bench(Path({str(bench.counter.parent)!r})).build()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True)
    train = bench.tasks()[1]
    script = train.log.with_name(train.log.name + ".sh")
    mine = {name: value for name, value in os.environ.items() if name != MARK}
    again = subprocess.run(
        ["sh", script], cwd="/", env=mine, capture_output=True, text=True, check=False
    )
    assert (again.returncode, again.stderr) == (3, "the user's mistake: field x\n")
    monkeypatch.delenv("FAKE_TRAIN")
    mine.pop("FAKE_TRAIN")
    subprocess.run(["sh", script], cwd="/", env=mine, check=True)
    assert train.outdated() is None
    assert bench.build() == ["export"]


def test_a_killed_stage_is_offered_what_it_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRAIN", "hang")
    data, train, _ = bench.tasks()
    data.execute(lambda text, share: None)
    code = (
        "from tests.flow.bench import Bench; from pathlib import Path;"
        f"Bench(Path({str(bench.counter.parent)!r})).build()"
    )
    doit = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    partial = publishing.partial_of(train.folder)
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
    (publishing.open_partial(final, "one", True) / "checkpoint").write_text("")
    assert (publishing.open_partial(final, "one", True) / "checkpoint").exists()
    assert not (publishing.open_partial(final, "two", True) / "checkpoint").exists()
    (publishing.open_partial(final, "two", True) / "checkpoint").write_text("")
    assert not (publishing.open_partial(final, "two", False) / "checkpoint").exists()


def complete(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "out.txt").write_text(text)
    basis: dict[str, Any] = {"stage": "s", "version": 1, "specs": {}, "inputs": {}}
    state.seal(folder, "u", basis, {}, RunRecord())


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
    publishing.recover(final)
    assert (final / "out.txt").read_text() == "new"
    assert state.changed_output(final) is None
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_an_old_folder_comes_back_if_the_new_one_is_not_complete(tmp_path: Path) -> None:
    complete(tmp_path / "s.old", "old")
    (tmp_path / "s.partial").mkdir()
    publishing.recover(tmp_path / "s")
    assert (tmp_path / "s" / "out.txt").read_text() == "old"


def test_two_builds_at_once_do_the_work_once(bench: Bench) -> None:
    (task,) = bench.tasks()[:1]
    task.job_file.parent.mkdir(parents=True)
    task.job_file.write_text(json.dumps(task.job()))
    command = [sys.executable, "-m", "pipeline.flow.run", str(task.job_file)]
    both = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert bench.counter.read_text().split() == ["data"]


def test_a_stage_that_declares_what_it_never_reads_is_a_bug(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real stages' end-to-end runs this proves the table: declared is read."""
    monkeypatch.setenv("FAKE_TRAIN", "unread")
    with pytest.raises(ToolError, match=r"declares specs it never reads.*network\.training"):
        bench.build()


def test_what_an_earlier_job_file_says_of_the_inputs_is_not_believed(bench: Bench) -> None:
    """A replay reads the inputs as they are, and is remembered as made from them."""
    bench.build()
    _, _, export = bench.tasks()
    _, train, _ = bench.tasks(epochs="5")
    bench.build(epochs="5")
    shutil.rmtree(export.folder)
    shutil.rmtree(export.inputs[1].folder)
    shutil.copytree(train.folder, export.inputs[1].folder)  # other weights, the same job file
    subprocess.run(
        [sys.executable, "-m", "pipeline.flow.run", export.job_file], check=True, cwd=ROOT
    )
    assert "epochs 5" in (export.folder / "out.txt").read_text()
    assert bench.build() == ["train", "export"]


@pytest.mark.parametrize("text", ["{}", "not json", "\xff", '{"digest": 1}'])
def test_an_unreadable_manifest_means_not_built(bench: Bench, text: str) -> None:
    bench.build()
    for name in ("manifest.json", "run.json"):
        (bench.tasks()[1].folder / name).write_text(text, encoding="latin-1")
        assert bench.build() == ["train"]


def test_a_cut_stage_that_does_not_resume_begins_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.build()
    export = bench.tasks()[2]
    before = state.manifest(export.folder)
    shutil.rmtree(export.folder)
    partial = publishing.partial_of(export.folder)
    (partial / "tmp1").mkdir(parents=True)
    (partial / "tmp1" / "rubbish.v").write_text("half")
    (partial / ".manifest.json.77").write_text("half")
    (partial / publishing.DIGEST).write_text(digest_of(export.basis()))
    assert bench.build() == ["export"]
    assert state.manifest(export.folder) == before


def test_a_build_folder_that_cannot_be_written_is_told(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bench.settings = Settings(build_dir=str(tmp_path / "file"))
    with pytest.raises(PipelineError, match="cannot be written"):
        bench.build()


@pytest.mark.parametrize("behaviour", ["large", "large tool"])
def test_a_limit_on_the_size_of_files_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    """Where the stage itself writes, and where a program is ended by a signal."""
    monkeypatch.setenv("FAKE_DATA", behaviour)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(PipelineError, match=r"reached the size limit of 1\.0 MiB"):
            bench.build()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_users_git_is_not_locked(bench: Bench) -> None:
    bench.build()
    script = (bench.tasks()[0].folder / "logs" / "git.log.sh").read_text()
    assert "GIT_OPTIONAL_LOCKS=0 git describe" in script


def test_not_a_job_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in ("{}", "[]", "nothing"):
        path.write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.flow.run", path],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 3
        assert "not a job file" in done.stderr
        assert "Traceback" not in done.stderr
