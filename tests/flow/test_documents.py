"""Manifests, run records and job files: what is not as it was written is not believed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.flow import clean, run, state
from pipeline.flow.documents import LARGEST_BYTES, JobFile, Manifest, RunRecord, read, sealed
from pipeline.flow.task import Task
from pipeline.job import Figure
from tests.flow.bench import Bench

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def built(tmp_path: Path) -> Task:
    """A stage published without a process: nothing here runs one."""
    (data,) = Bench(tmp_path, ("data",)).tasks()
    data.folder.mkdir(parents=True)
    for name in ("out.txt", "more.txt"):
        (data.folder / name).write_text(name)
    basis = data.basis()
    assert basis is not None
    figures = {"images": Figure(3, "images", "measured")}
    state.seal(data.folder, data.unit.name, basis, figures, RunRecord(), data.leaves)
    data.job_file.write_text(json.dumps(data.job()))
    assert data.outdated() is None
    assert [*state.damaged_outputs(data.folder, data.leaves)] == []
    return data


def rewrite(path: Path, change: Change) -> None:
    """As somebody would who also knows how a manifest is sealed."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(sealed(document) if "seal" in document else document))


SHAPES: dict[str, Change] = {
    "outputs a list": lambda d: d.update(outputs=["out.txt"]),
    "outputs a number": lambda d: d.update(outputs=3),
    "a digest that is none": lambda d: d["outputs"].update({"out.txt": "abc"}),
    "an absolute path": lambda d: d["outputs"].update({"/etc/passwd": "0" * 64}),
    "a path that goes up": lambda d: d["outputs"].update({"a/../../b": "0" * 64}),
    "a path with a NUL": lambda d: d["outputs"].update({"a\0": "0" * 64}),
    "metrics a list": lambda d: d.update(metrics=[]),
    "a figure without a kind": lambda d: d["metrics"]["images"].pop("kind"),
    "a figure of an unknown kind": lambda d: d["metrics"]["images"].update(kind="guessed"),
    "a figure that is a list": lambda d: d["metrics"]["images"].update(value=[]),
    "a figure that is NaN": lambda d: d["metrics"]["images"].update(value=float("nan")),
    "specs null": lambda d: d.update(specs=None),
    "a version that is text": lambda d: d.update(version="3"),
    "inputs of numbers": lambda d: d.update(inputs={"data": 1}),
    "an unknown field": lambda d: d.update(extra=1),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_manifest_of_another_shape_means_not_built(built: Task, name: str) -> None:
    try:
        rewrite(built.folder / "manifest.json", SHAPES[name])
    except ValueError:  # no digest of a NaN; what would be written is refused as well
        text = (built.folder / "manifest.json").read_text()
        (built.folder / "manifest.json").write_text(text.replace('"value": 3', '"value": NaN'))
    assert built.outdated() == "it was not built yet"
    assert [*state.damaged_outputs(built.folder)] != []


TEXTS = {
    "nested deep": "[" * 5000 + "]" * 5000,
    "an object nested deep": '{"a":' * 5000 + "1" + "}" * 5000,
    "a list": "[]",
    "a long number": "1" * 10_000,
    "empty": "",
    "huge": " " * (LARGEST_BYTES + 1),
}


@pytest.mark.parametrize("model", [Manifest, RunRecord, JobFile])
@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_such_document_is_none(
    built: Task, model: type[Manifest | RunRecord | JobFile], name: str
) -> None:
    path = {
        Manifest: built.folder / "manifest.json",
        RunRecord: built.folder / "run.json",
        JobFile: built.job_file,
    }[model]
    assert read(model, path) is not None
    path.write_text(TEXTS[name])
    assert read(model, path) is None
    if model is JobFile:
        with pytest.raises(PipelineError, match="not a job file"):
            run._read_job(path)
        assert [*clean._standing_on(built.build, set())] == []
    else:
        assert built.outdated() is not None
        assert state.metrics(built.folder) == {} or model is RunRecord


def test_nesting_within_a_field_is_refused_too(built: Task) -> None:
    path = built.folder / "manifest.json"
    path.write_text(path.read_text().replace('"digits"', "[" * 5000 + "]" * 5000))
    assert built.outdated() == "it was not built yet"


@pytest.mark.parametrize("kind", ["folder", "pipe", "link in a circle", "nothing"])
def test_what_is_no_file_is_no_document(built: Task, kind: str) -> None:
    for path in (built.folder / "manifest.json", built.folder / "run.json"):
        path.unlink()
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "link in a circle":
            path.symlink_to(path)
    assert built.outdated() == "it was not built yet"
    assert state.changed_output(built.folder) == "manifest.json"


def test_outputs_that_leave_out_what_is_declared_mean_changed(built: Task) -> None:
    """As was seen: `outputs: {}` and the deleted file were "up to date"."""
    for name in ("out.txt", "more.txt"):
        (built.folder / name).unlink()
    for name in ("manifest.json", "run.json"):
        rewrite(built.folder / name, lambda d: d.update(outputs={}))
    assert built.outdated() == "out.txt is missing"
    assert [*state.damaged_outputs(built.folder, built.leaves)] == [
        f"{built.folder / 'out.txt'}: missing"
    ]


def test_what_lies_there_and_is_not_listed_is_told_by_check(built: Task) -> None:
    for name in ("manifest.json", "run.json"):
        rewrite(built.folder / name, lambda d: d["outputs"].pop("more.txt"))
    assert built.outdated() is None, "a user's notes cost no training"
    assert [*state.damaged_outputs(built.folder)] == [
        f"{built.folder / 'more.txt'}: not of this stage"
    ]


def test_a_changed_figure_is_seen(built: Task) -> None:
    path = built.folder / "manifest.json"
    path.write_text(path.read_text().replace('"value": 3', '"value": 4'))
    assert built.outdated() == "it was not built yet"
    assert [*state.damaged_outputs(built.folder)] == [f"{path}: not as it was written"]


@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_link_out_of_the_folder_is_no_output(built: Task, tmp_path: Path, place: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    name = "out.txt"
    if place == "file":
        (built.folder / name).rename(elsewhere)
        (built.folder / name).symlink_to(elsewhere)
    else:
        elsewhere.mkdir()
        (built.folder / "sub").symlink_to(elsewhere)
        (elsewhere / "out.txt").write_text("out.txt")
        digest = read(Manifest, built.folder / "manifest.json")
        assert digest is not None
        name = "sub/out.txt"
        added = {name: digest.outputs["out.txt"]}
        rewrite(built.folder / "manifest.json", lambda d: d["outputs"].update(added))
    assert built.outdated() == f"{name} is missing"
    assert f"{built.folder / name}: missing" in [*state.damaged_outputs(built.folder)]


JOBS: dict[str, Change] = {
    "a stage elsewhere": lambda d: d.update(stage="../data"),
    "an input elsewhere": lambda d: d.update(inputs={"data": "../../etc"}),
    "an absolute input": lambda d: d.update(inputs={"data": "/etc/x"}),
    "inputs a list": lambda d: d.update(inputs=[1]),
    "a module that is no name": lambda d: d.update(module="os;x"),
    "no settings": lambda d: d.pop("settings"),
    "another stage's": lambda d: d.update(stage="train"),
    "memory below zero": lambda d: d.update(memory_mib=-1),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_of_another_shape_is_none(built: Task, name: str) -> None:
    rewrite(built.job_file, JOBS[name])
    with pytest.raises(PipelineError, match="not a job file"):
        run._read_job(built.job_file)


def test_a_stage_that_does_not_leave_what_it_declares_is_a_bug(tmp_path: Path) -> None:
    basis: dict[str, Any] = {"stage": "fold", "version": 1, "specs": {}, "inputs": {}}
    with pytest.raises(RuntimeError, match=r"fold declares and does not leave: \['folding.json'\]"):
        state.seal(tmp_path, "u", basis, {}, RunRecord(), ["folding.json"])
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(RuntimeError, match=r"fold leaves what is no file: \['link'\]"):
        state.seal(tmp_path, "u", basis, {}, RunRecord())
