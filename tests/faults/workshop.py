"""Real stages of a tiny network, built to a point, disturbed, and compared with the undisturbed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline import ROOT
from pipeline.chain import BY_NAME, STAGES
from pipeline.flow import state
from pipeline.flow.selection import selection
from pipeline.flow.task import Task, build_folder
from pipeline.flow.variables import Settings

NETWORK = f"network={Path(__file__).with_name('tiny.toml')}"
NAMES = [stage.name for stage in STAGES if stage.name != "implement"]
"""The stages of the open engine, which makes no bitfile for an FPGA."""
GRACE_SECONDS = 20.0
"""In which what a killed build started must be gone; it takes a fraction of one."""


@dataclass(frozen=True)
class Outcome:
    """What a fault led to: the stages that ran again, and whether all manifests are equal."""

    repeated: tuple[str, ...]
    equal: bool


class Workshop:
    """A build folder, and the doits that work in it."""

    def __init__(self, build: Path) -> None:
        self.build = build
        outer = ("PIPELINE_", "FAKE_", "PYTEST_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(outer)}
        self.env["PIPELINE_BUILD_DIR"] = str(build)

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "doit", *words]
        return subprocess.Popen(
            [*command, *(() if any("network=" in word for word in words) else (NETWORK,))],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def doit(self, *words: str) -> str:
        """What a doit that must succeed says."""
        code, text = self.end(self.start(*words))
        assert code == 0, text
        return text

    def end(self, doit: subprocess.Popen[str]) -> tuple[int, str]:
        text, _ = doit.communicate(timeout=1800)
        return doit.returncode, text

    def task(self, stage: str) -> Task:
        name, value = NETWORK.split("=", 1)
        (found,) = selection({name: value}).tasks(stage)
        return _in(found, self.build)

    def manifests(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.build)): path.read_bytes()
            for path in sorted(self.build.glob("*/*/manifest.json"))
        }

    def copy_of(self, reference: Workshop, stages: list[str]) -> None:
        """Publishes `stages` as the reference has them, times included, and what units share."""
        for stage in stages:
            source = reference.task(stage)
            target = self.build / source.folder.relative_to(reference.build)
            shutil.copytree(source.folder, target)
            shutil.copy2(source.job_file, target.with_name(source.job_file.name))
        if (reference.build / ".cache").exists():
            shutil.copytree(reference.build / ".cache", self.build / ".cache")

    def outcome(self, reference: Workshop, text: str) -> Outcome:
        """Of a doit that said `text`; equal: every manifest here is the reference's, and true."""
        mine, theirs = self.manifests(), reference.manifests()
        whole = all(not [*state.damaged_outputs((self.build / name).parent)] for name in mine)
        clean = not [*self.build.glob("*/*.partial"), *self.build.glob("*/*.old")]
        equal = bool(mine) and whole and clean and mine.items() <= theirs.items()
        return Outcome(ran(text), equal)

    def left_over(self) -> list[str]:
        """Processes that a doit of this folder started and that are still there after the grace."""
        until = time.monotonic() + GRACE_SECONDS
        while (left := self._processes()) and time.monotonic() < until:
            time.sleep(0.1)
        return left

    def _processes(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.environ().get("PIPELINE_BUILD_DIR") == str(self.build)
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(f"{process.pid} {' '.join(process.cmdline())}")
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


def ran(text: str) -> tuple[str, ...]:
    """The stages that a doit says it ran, in the order of the chain.

    Of two that wait for the same one (simulate and synth), doit may run either first.
    """
    found = (line.split()[1] for line in text.splitlines() if line.startswith("ran "))
    return tuple(sorted(found, key=NAMES.index))


def _in(task: Task, build: Path) -> Task:
    settings = Settings(build_dir=str(build))
    assert build_folder(settings) == build
    return Task(task.stage, task.unit, tuple(_in(need, build) for need in task.inputs), settings)


def needs(stage: str) -> list[str]:
    """All that `stage` stands on or comes after, in the order of the chain."""
    named = (need.partition("|")[0] for need in BY_NAME[stage].needs)
    before = (*(need for need in named if need in NAMES), *BY_NAME[stage].after)
    found = {*before}
    for need in before:
        found.update(needs(need))
    return [name for name in NAMES if name in found]


def kill_tree(doit: psutil.Process) -> None:
    """SIGKILL for a doit and all below it at once."""
    tree = [doit, *doit.children(recursive=True)]
    for process in tree:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def stage_process(doit: psutil.Process) -> psutil.Process | None:
    """The process that runs a stage for `doit`."""
    for child in doit.children(recursive=True):
        try:
            if "pipeline.flow.run" in child.cmdline():
                return child
        except psutil.NoSuchProcess:
            continue
    return None


def strike(doit: subprocess.Popen[str], fault: str) -> None:
    """One of the ways a build is cut."""
    process = psutil.Process(doit.pid)
    if fault == "SIGKILL of all":
        kill_tree(process)
    elif fault == "SIGKILL of doit":
        process.kill()
    elif fault == "SIGKILL of the stage":
        if (stage := stage_process(process)) is not None:
            stage.kill()
    elif fault == "SIGTERM":
        process.terminate()
    elif fault == "SIGHUP":  # a lost terminal tells the whole foreground group
        os.killpg(doit.pid, signal.SIGHUP)
