"""The faults. Each is a function that disturbs a build in an empty folder and returns the
outcome."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import ROOT
from pipeline.flow import publishing, state
from pipeline.flow.documents import MANIFEST, sealed
from pipeline.flow.task import Task, lock_file
from tests.faults.workshop import NAMES, Outcome, Workshop, needs, ran, strike

TOOLS = ("fifos", "simulate", "synth")
SIGNALS = {
    "SIGKILL of all": tuple(NAMES),
    "SIGKILL of doit": ("train", "fifos", "synth"),
    "SIGKILL of the stage": ("fifos",),
    "SIGTERM": ("train", "simulate"),
    "SIGHUP": ("train", "synth"),
}
"""The stages during which each signal is tried. All stages end in the same way, so a few are enough
here; tests/flow tries the rest on fake stages."""
ROOM_KIB = {
    "data": 64, "outline": 24, "train": 32, "prune": 32, "export": 48, "streamline": 64, "fold": 16,
    "fifos": 400, "rtl": 64, "simulate": 300, "synth": 400, "driver": 300, "package": 64,
}  # fmt: skip
"""Free space on the full disk: enough for the stage to begin, too little for it to end."""


@dataclass(frozen=True)
class Case:
    """One row of the table, with its words; `expected` are the stages that must run again."""

    fault: str
    stage: str
    when: str
    expected: tuple[str, ...]
    run: Callable[[Workshop, Path], Outcome]

    @property
    def id(self) -> str:
        return f"{self.fault}-{self.stage}".replace(" ", "_")


def cases() -> Iterator[Case]:
    for fault, stages in SIGNALS.items():
        for stage in stages:
            share = round(random.Random(f"{fault} {stage}").uniform(0.05, 0.7), 2)
            when = f"at {share:.0%} of its time"
            yield Case(fault, stage, when, (stage,), _cut(fault, stage, share))
    for stage, room in ROOM_KIB.items():
        yield Case("full disk", stage, f"{room} KiB left", (stage,), _full_disk(stage, room))
    yield Case("two builds at once", "rtl", "same unit", ("rtl",), _two(("rtl",), ("rtl",)))
    boards = (("train", "board=Pynq-Z1"), ("train", "board=Ultra96"))
    yield Case("two builds at once", "train", "two boards", ("train",), _two(*boards))
    yield Case("output deleted", "rtl", "after the build", ("rtl",), _damaged("rtl", Path.unlink))
    yield Case("output altered", "fold", "after the build", ("fold",), _damaged("fold", _alter))
    yield Case("figure altered", "fold", "in its manifest", ("fold",), _altered_figure)
    yield Case("outputs unlisted", "fold", "and deleted", ("fold",), _unlisted)
    for fault, places, spoil in (
        ("file for a folder", "stage, .partial, .old", _as_files),
        ("folder for a file", "lock, log, job", _as_folders),
    ):
        yield Case(fault, "rtl", places, ("rtl",), _other_kinds("rtl", spoil))
    yield Case("time limit", "train", "of 0.5 s", ("train",), _at_limit)
    for cut in ("before the first rename", "between the renames", "before the old is deleted"):
        yield Case("publishing cut", "rtl", cut, (), _published_half("rtl", cut))
    yield Case("spec changed and back", "fold", "fps=", (), _changed_back)


def _cut(fault: str, stage: str, share: float) -> Callable[[Workshop, Path], Outcome]:
    def run(reference: Workshop, folder: Path) -> Outcome:
        record = state.run_record(reference.task(stage).folder)
        assert record is not None
        for attempt in range(6):
            bench = Workshop(folder / str(attempt))
            bench.build.mkdir()
            bench.copy_of(reference, needs(stage))
            if stage == "fifos":  # with the compiler at work
                shutil.rmtree(bench.build / ".cache")
            doit = bench.start(stage)
            final = bench.task(stage).folder
            _wait_for(publishing.partial_of(final), doit)
            # each attempt sooner: the machine may be faster now than for the reference
            time.sleep(share * record.seconds / 2**attempt)
            strike(doit, fault)
            _, text = bench.end(doit)
            assert bench.left_over() == []
            assert "Traceback" not in text, text
            if final.exists() or publishing.cut(final):
                continue  # it had ended
            return bench.outcome(reference, bench.doit(stage))
        raise AssertionError(f"{stage} always ended before it was cut")

    return run


def _full_disk(stage: str, room: int) -> Callable[[Workshop, Path], Outcome]:
    def run(reference: Workshop, folder: Path) -> Outcome:
        words = [sys.executable, "-m", "tests.faults.full_disk"]
        done = subprocess.run(
            ["unshare", "-rm", *words, reference.build, folder, stage, str(room)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(done.stdout)
        said = found["said"].splitlines()
        told = [line for line in said if "the disk is full" in line]
        assert found["code"] == 1, found["said"]
        assert len(told) == 1, found["said"]
        assert str(folder) in told[0]
        assert "make room" in told[0]
        assert "Traceback" not in found["said"]
        assert found["left"] == []
        return Outcome(tuple(found["repeated"]), found["equal"])

    return run


def can_mount() -> bool:
    """Whether this user may mount a small file system in a namespace of its own."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _two(*both: tuple[str, ...]) -> Callable[[Workshop, Path], Outcome]:
    def run(reference: Workshop, folder: Path) -> Outcome:
        bench = Workshop(folder)
        stage = both[0][0]
        bench.copy_of(reference, needs(stage))
        doits = [bench.start(*words) for words in both]
        ends = [bench.end(doit) for doit in doits]
        assert [code for code, _ in ends] == [0, 0], ends
        return bench.outcome(reference, "".join(text for _, text in ends))

    return run


def _damaged(stage: str, damage: Callable[[Path], None]) -> Callable[[Workshop, Path], Outcome]:
    def run(reference: Workshop, folder: Path) -> Outcome:
        bench = Workshop(folder)
        following = [name for name in NAMES if stage in needs(name)]
        bench.copy_of(reference, [*needs(stage), stage, *following])
        damage(next(state.outputs(bench.task(stage).folder)))
        return bench.outcome(reference, bench.doit(stage, *following))

    return run


def _alter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def _altered_figure(reference: Workshop, folder: Path) -> Outcome:
    def alter(document: dict[str, Any]) -> dict[str, Any]:
        document["metrics"]["lut"]["value"] += 1
        return document

    return _manifest_changed(reference, folder, alter)


def _unlisted(reference: Workshop, folder: Path) -> Outcome:
    """By somebody who seals the manifest again; its stage still says what it leaves."""
    return _manifest_changed(
        reference, folder, lambda document: sealed({**document, "outputs": {}})
    )


def _manifest_changed(
    reference: Workshop, folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Outcome:
    bench = Workshop(folder)
    bench.copy_of(reference, [*needs("fold"), "fold"])
    fold = bench.task("fold").folder
    document = change(json.loads((fold / MANIFEST).read_text()))
    for path in [] if document["outputs"] else [*state.outputs(fold)]:
        path.unlink()
    (fold / MANIFEST).write_text(json.dumps(document))
    return bench.outcome(reference, bench.doit("fold"))


def _other_kinds(stage: str, spoil: Callable[[Task], None]) -> Callable[[Workshop, Path], Outcome]:
    def run(reference: Workshop, folder: Path) -> Outcome:
        bench = Workshop(folder)
        bench.copy_of(reference, needs(stage))
        task = bench.task(stage)
        task.folder.parent.mkdir(exist_ok=True)
        spoil(task)
        return bench.outcome(reference, bench.doit(stage))

    return run


def _as_files(task: Task) -> None:
    final = task.folder
    for path in (final, publishing.partial_of(final), publishing.old_of(final)):
        path.write_text("")


def _as_folders(task: Task) -> None:
    for path in (lock_file(task.folder), task.log, task.job_file):
        (path / "sub").mkdir(parents=True)


def _at_limit(reference: Workshop, folder: Path) -> Outcome:
    bench = Workshop(folder)
    bench.copy_of(reference, needs("train"))
    bench.env["PIPELINE_TIME_LIMIT_HOURS"] = str(0.5 / 3600)
    code, text = bench.end(bench.start("train"))
    assert code == 1, text
    assert "did not end within 0.5 s, its limit, and was ended" in text
    assert "Traceback" not in text
    assert bench.left_over() == []
    del bench.env["PIPELINE_TIME_LIMIT_HOURS"]
    return bench.outcome(reference, bench.doit("train"))


def _published_half(stage: str, cut: str) -> Callable[[Workshop, Path], Outcome]:
    def run(reference: Workshop, folder: Path) -> Outcome:
        bench = Workshop(folder)
        bench.copy_of(reference, [*needs(stage), stage])
        final = bench.task(stage).folder
        partial, old = publishing.partial_of(final), publishing.old_of(final)
        if cut == "before the old is deleted":
            shutil.copytree(final, old)
        else:
            final.rename(partial)
            older = final if cut == "before the first rename" else old
            older.mkdir()
            (older / "manifest.json").write_text("{}")
        return bench.outcome(reference, bench.doit(stage))

    return run


def _changed_back(reference: Workshop, folder: Path) -> Outcome:
    bench = Workshop(folder)
    bench.copy_of(reference, [*needs("fold"), "fold"])
    assert ran(bench.doit("fold", "fps=100000")) == ("fold",)
    shutil.rmtree(next(folder.glob("*fps-*")))
    return bench.outcome(reference, bench.doit("fold"))


def _wait_for(path: Path, doit: subprocess.Popen[str]) -> None:
    """Until the file is there or the doit has ended."""
    while not path.exists() and doit.poll() is None:
        time.sleep(0.02)


def workers() -> int:
    return os.cpu_count() or 1
