"""Fake stages in a build folder of their own: in this process one by one, or under a real doit."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from pipeline import ROOT
from pipeline.chain import BY_NAME
from pipeline.flow.selection import selection
from pipeline.flow.task import Task
from pipeline.flow.unit import Unit
from pipeline.flow.variables import Settings

FAKES = "tests.flow.fakes"
LEAVES = (("all it makes", "out.txt"),)
DODO = Path(__file__).with_name("fake_dodo.py")


class Bench:
    """A chain of fake stages, data -> train -> export unless told, of one unit."""

    def __init__(self, folder: Path, stages: tuple[str, ...] = ("data", "train", "export")) -> None:
        self.stages = stages
        self.settings = Settings(build_dir=str(folder / "build"))
        self.counter = folder / "counter"
        self.shown: list[str] = []

    def tasks(self, **given: str) -> list[Task]:
        (unit,) = selection(given).units
        return self.chain(unit)

    def chain(self, unit: Unit) -> list[Task]:
        chain: list[Task] = []
        for name in self.stages:
            stage = replace(BY_NAME[name], module=FAKES, files=LEAVES)
            there = {task.stage.name: task for task in chain}
            found = ([there[x] for x in need.split("|") if x in there] for need in stage.needs)
            inputs = tuple(some[0] for some in found if some)
            chain.append(Task(stage, unit.at(stage.scope), inputs, self.settings))
        return chain

    def build(self, **given: str) -> list[str]:
        """What ran, as doit would run it."""
        return self.run(self.tasks(**given))

    def run(self, chain: list[Task]) -> list[str]:
        ran = []
        for task in chain:
            if task.outdated() is not None:
                task.execute(lambda text, share: self.shown.append(text))
                ran.append(task.stage.name)
        return ran


class Doit:
    """A real doit whose stages are the fakes."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.build, self.counter, self.held = (folder / x for x in ("build", "counter", "held"))
        self.env = {
            **{name: value for name, value in os.environ.items() if "PIPELINE_" not in name},
            "PIPELINE_BUILD_DIR": str(self.build),
            "FAKE_COUNTER": str(self.counter),
            **env,
        }

    def command(self, *words: str) -> list[str | Path]:
        # `why` is a task: of the run command, which takes the options
        command, *rest = words if words[0] in ("run", "clean") else ("run", *words)
        return [sys.executable, "-m", "doit", command, "-f", DODO, "-d", ROOT, *rest]

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *words: str, code: int = 0) -> list[str]:
        """The lines that a doit ending with `code` says."""
        process = self.start(*words)
        text, _ = process.communicate(timeout=300)
        assert process.returncode == code, text
        return text.splitlines()
