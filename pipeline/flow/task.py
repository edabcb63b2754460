"""A stage of a unit: when it is up to date, and how it is started."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline import ROOT
from pipeline.chain import Stage
from pipeline.errors import PipelineError, ToolError
from pipeline.flow import state
from pipeline.flow.unit import Unit
from pipeline.flow.variables import Settings
from pipeline.job import PROGRESS
from pipeline.tools import disk
from pipeline.tools.files import digest_of, write_atomically
from pipeline.tools.process import die_with_parent, run_tool


@dataclass(frozen=True)
class Task:
    """A stage of a unit, in a build folder."""

    stage: Stage
    unit: Unit
    inputs: tuple[Task, ...]
    settings: Settings

    def __hash__(self) -> int:
        return hash(self.name)  # specs may hold what has no hash

    @property
    def name(self) -> str:
        return f"{self.stage.name}:{self.unit.name}"

    @property
    def build(self) -> Path:
        return build_folder(self.settings)

    @property
    def folder(self) -> Path:
        """Where the stage is published."""
        return self.build / self.unit.name / self.stage.name

    @property
    def job_file(self) -> Path:
        return self.folder.with_name(f"{self.stage.name}.job.json")

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.stage.name}.log")

    def basis(self) -> dict[str, Any] | None:
        """All that decides the result; None while an input is not published."""
        inputs = {task.stage.name: task.folder for task in self.inputs}
        return state.basis(self.stage.name, self.stage.version, self.specs(), inputs)

    def specs(self) -> dict[str, Any]:
        return {path: self.unit.read(path) for path in self.stage.reads}

    def outdated(self) -> str | None:
        """Why the stage has to run; None if it is up to date."""
        self._recover()
        document = state.manifest(self.folder)
        if document is None:
            return "it was not built yet"
        if (basis := self.basis()) is None:
            return "an input is not built"
        if document["digest"] != digest_of(basis):
            return "a spec field, an input or the stage's version changed"
        return state.changed_output(self.folder)

    def _recover(self) -> None:
        if not state.cut(self.folder):
            return
        # Timeout, an OSError: another doit is building it, and recovers by itself; any other will
        # be told by the run
        with contextlib.suppress(OSError), FileLock(lock_file(self.folder), timeout=0):
            state.recover(self.folder)

    def job(self) -> dict[str, Any]:
        """The job as a JSON document; its paths are relative to the build folder."""
        return {
            "stage": self.stage.name,
            "module": self.stage.module,
            "resumes": self.stage.resumes,
            "memory_mib": self.stage.memory_mib,
            "version": self.stage.version,
            "unit": self.unit.name,
            "long_name": self.unit.long_name,
            "specs": self.specs(),
            "inputs": {
                task.stage.name: str(task.folder.relative_to(self.build)) for task in self.inputs
            },
            "settings": {**self.settings.model_dump(mode="json"), "files": self._files()},
        }

    def _files(self) -> dict[str, str]:
        """Where the user's own files lie, which the specs know by their sha256."""
        unit = self.unit if self.unit.scope != "board" else self.unit.at("network")
        return dict(unit.files)

    def execute(self, show: Callable[[str, float | None], None]) -> bool:
        """Runs the stage in a process of its own; `show` gets its progress lines.

        False: nothing had to be done, since another doit built it meanwhile.
        Raises PipelineError with the stage's own message, or ToolError with the end of the
        traceback if the stage has a bug.
        """
        if multiprocessing.parent_process() is not None:
            die_with_parent()  # a worker of `doit -n`
        try:
            self.job_file.parent.mkdir(parents=True, exist_ok=True)
            if self._waited(show) and self.outdated() is None:
                return False
            return self._run(show)
        except (OSError, ToolError) as error:
            if (told := disk.trouble(error, self.build)) is not None:
                raise PipelineError(told) from None
            raise

    def _waited(self, show: Callable[[str, float | None], None]) -> bool:
        """Lets another doit finish the stage, whose log must stay its own; False: there is none."""
        lock = FileLock(lock_file(self.folder))
        try:
            lock.acquire(timeout=0).lock.release()
        except Timeout:
            show("waiting for another build of it", None)
            lock.acquire().lock.release()
            return True
        return False

    def _run(self, show: Callable[[str, float | None], None]) -> bool:
        write_atomically(self.job_file, json.dumps(self.job(), indent=1) + "\n")
        told: list[str] = []
        kept: list[bool] = []

        def on_line(line: str) -> None:
            if line.startswith(PROGRESS):
                message = json.loads(line[len(PROGRESS) :])
                if "error" in message:
                    told.append(message["error"])
                elif "kept" in message:
                    kept.append(True)
                else:
                    show(message["text"], message["share"])

        command: list[str | Path] = [sys.executable, "-m", "pipeline.flow.run", self.job_file]
        try:
            run_tool(command, log=self.log, cwd=ROOT, on_line=on_line, tool_errors=False)
        except ToolError:
            if told:
                raise PipelineError(told[0]) from None
            raise
        return not kept


def build_folder(settings: Settings) -> Path:
    return (ROOT / Path(settings.build_dir).expanduser()).resolve()


def lock_file(folder: Path) -> Path:
    """The lock that whoever writes the stage folder holds."""
    return folder.with_name(f".{folder.name}.lock")
