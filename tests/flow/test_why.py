"""`./doit why`: every reason for which a task would run, and none where it would not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.flow import publishing
from pipeline.flow.documents import sealed
from pipeline.flow.why import reasons
from pipeline.tools.files import digest_of, sha256
from tests.flow.bench import Bench, Doit


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.setenv("FAKE_COUNTER", str(bench.counter))
    bench.build()
    return bench


def test_nothing_to_say_of_what_is_up_to_date(bench: Bench) -> None:
    assert [reasons(task) for task in bench.tasks()] == [[], [], []]


def test_each_reason_is_told(bench: Bench, tmp_path: Path) -> None:
    _, train, export = bench.tasks()
    other = Bench(tmp_path / "other").tasks()
    assert reasons(other[0]) == ["it was not built yet"]
    assert reasons(replace(train, inputs=(other[0],))) == ["its input data:digits is not built"]
    raised = replace(train, stage=replace(train.stage, version=2))
    assert reasons(raised) == ["the stage's version was 1, is 2"]
    # an edited file: the same unit, other fields
    (changed,) = [task for task in bench.tasks(epochs="5", seed="7") if task.stage.name == "train"]
    edited = replace(train, unit=replace(changed.unit, name=train.unit.name))
    assert reasons(edited) == [
        "network.training.epochs was 100, is 5",
        "network.training.seed was 1, is 7",
    ]
    (train.folder / "out.txt").write_text("by hand")
    assert reasons(train) == ["out.txt was changed"]
    (train.folder / "out.txt").unlink()
    assert reasons(train) == ["out.txt is missing"]
    assert reasons(export) == [], "the manifest of train is what it was"


def test_the_file_of_an_input_is_named(bench: Bench) -> None:
    _, train, export = bench.tasks()
    manifest = train.folder / "manifest.json"
    text = manifest.read_text().replace(sha256(train.folder / "out.txt"), "0" * 64)
    manifest.write_text(json.dumps(sealed(json.loads(text))))
    assert reasons(export) == [f"its input {train.name} changed: out.txt"]


def test_a_cut_training_is_told_to_be_continued(bench: Bench) -> None:
    train = bench.tasks()[1]
    basis = train.basis()
    train.folder.rename(train.folder.with_name("away"))
    publishing.open_partial(train.folder, digest_of(basis), True)
    assert reasons(train) == [
        "it was not built yet",
        "an interrupted run of this job is there, and will be continued",
    ]


def test_the_command(tmp_path: Path) -> None:
    doit = Doit(tmp_path)
    assert doit("why", "fold")[:2] == ["data:digits: would run", "  it was not built yet"]
    doit("run", "fold")
    unit = "tfc_1w1a.dataset-digits"
    for words in (("fold",), (f"fold:{unit}@Pynq-Z1.open",), ("fold", "train")):
        lines = doit("why", *words)
        assert lines[0] == "data:digits: up to date"
        assert lines[1] == f"outline:{unit}: runs only before train:{unit}, which is up to date"
        assert lines[-1] == f"fold:{unit}@Pynq-Z1.open: up to date"
        assert len(lines) == 7
    assert doit("why", "outline") == [f"outline:{unit}: up to date"]
    shutil.rmtree(doit.build / unit / "outline")
    assert doit("why", "fold")[1].endswith("which is up to date"), "what is trained needs it not"
    assert doit("why", "outline")[0] == f"outline:{unit}: would run"
    (doit.build / unit / "train" / "out.txt").unlink()
    lines = doit("why", "build")
    assert f"outline:{unit}: would run" in lines
    assert f"fits:{unit}@Pynq-Z1.open: would run" in lines
    assert f"train:{unit}: would run" in lines
    assert "  out.txt is missing" in lines
    assert f"export:{unit}: runs if train:{unit} gives other files than before" in lines
    told = doit("why", "sinth", code=1)
    assert told[0] == "failed why"
    assert told[1].startswith("sinth: no such task here; did you mean 'synth'? allowed: ")
    assert len(told) == 2
