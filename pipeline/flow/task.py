"""A task, that is one stage of one unit: whether it is up to date, and how it is started."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline import ROOT
from pipeline.chain import Stage
from pipeline.errors import PipelineError, Planned, ToolError
from pipeline.flow import publishing, state
from pipeline.flow.unit import Unit
from pipeline.flow.variables import Settings
from pipeline.job import PROGRESS
from pipeline.tools import disk, memory
from pipeline.tools.files import digest_of, make_way, there, write_atomically
from pipeline.tools.process import die_with_parent, run_tool
from pipeline.tools.watch import Watch


@dataclass(frozen=True)
class Task:
    """A stage of a unit in a build folder."""

    stage: Stage
    unit: Unit
    inputs: tuple[Task, ...]
    settings: Settings

    def __hash__(self) -> int:
        return hash(self.name)  # specs may hold values that have no hash

    @property
    def name(self) -> str:
        return f"{self.stage.name}:{self.unit.name}"

    @property
    def build(self) -> Path:
        return build_folder(self.settings)

    @property
    def folder(self) -> Path:
        """The folder where the stage is published."""
        return self.build / self.unit.name / self.stage.name

    @property
    def files(self) -> dict[str, str]:
        """The names of the files that the stage must leave, by what they are."""
        return {what: name.format(unit=self.unit.name) for what, name in self.stage.files}

    @property
    def leaves(self) -> list[str]:
        return [*self.files.values()]

    @property
    def job_file(self) -> Path:
        return self.folder.with_name(f"{self.stage.name}.job.json")

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.stage.name}.log")

    def basis(self) -> dict[str, Any] | None:
        """All that decides the stage's result; None while an input is not published."""
        inputs = {task.stage.name: task.folder for task in self.inputs}
        return state.basis(self.stage.name, self.stage.version, self.specs(), inputs)

    def specs(self) -> dict[str, Any]:
        return {path: self.unit.read(path) for path in self.stage.reads}

    def outdated(self) -> str | None:
        """Why the stage must run; None if it is up to date."""
        self._recover()
        if self.stage.always:
            return "it runs each time"
        document = state.manifest(self.folder)
        if document is None:
            return "it was not built yet"
        if (basis := self.basis()) is None:
            return "an input is not built"
        if document.digest != digest_of(basis):
            return "a spec field, an input or the stage's version changed"
        return state.changed_output(self.folder, self.leaves)

    def may_run(self) -> bool:
        """Whether it must run, or one that it needs: then it runs if that gives other files."""
        return self.outdated() is not None or any(need.may_run() for need in self.inputs)

    def _recover(self) -> None:
        if not publishing.cut(self.folder):
            return
        # Timeout, an OSError, means that another doit is building it, and that one recovers.
        # Any other error will be met and told by the run.
        with contextlib.suppress(OSError), lock_of(self.folder).acquire(timeout=0):
            publishing.recover(self.folder)

    def job(self) -> dict[str, Any]:
        """The job as a JSON document; its paths are relative to the build folder."""
        return {
            "stage": self.stage.name,
            "module": self.stage.module,
            "resumes": self.stage.resumes,
            "always": self.stage.always,
            "memory_mib": self.stage.memory_mib,
            "version": self.stage.version,
            "unit": self.unit.name,
            "long_name": self.unit.long_name,
            "files": self.leaves,
            "specs": self.specs(),
            "inputs": {
                task.stage.name: str(task.folder.relative_to(self.build)) for task in self.inputs
            },
            "settings": {**self.settings.model_dump(mode="json"), "files": self._files()},
        }

    def _files(self) -> dict[str, str]:
        """The places of the user's own files, which the specs name only by their sha256."""
        if self.unit.scope == "board":
            return {**self.unit.at("network").files, **self.unit.files}
        return dict(self.unit.files)

    def execute(
        self, show: Callable[[str, float | None], None], feed: Iterable[bytes] | None = None
    ) -> bool:
        """Runs the stage in a process of its own; `show` gets its progress lines.

        feed: its standard input, for what must be in no file and no command line.

        Returns False if there was nothing to do, since another doit had just built it.
        Raises Planned if only the plan of the run was wanted, PipelineError with the stage's own
        message, or ToolError with the end of the
        traceback if the stage has a bug.
        """
        if multiprocessing.parent_process() is not None:
            die_with_parent()  # a worker of `doit -n`
        unit = self.folder.parent
        if there(unit) and not unit.is_dir():
            # It may be a file of the user's: it is removed only if the user asks for that.
            raise PipelineError(f"{unit}: is no folder; move it away, or ./doit clean {self.name}")
        try:
            unit.mkdir(parents=True, exist_ok=True)
            if self._waited(show) and self.outdated() is None:
                return False
            return self._run(show, feed)
        except (OSError, ToolError) as error:
            if (told := disk.trouble(error, self.build)) is not None:
                raise PipelineError(told) from None
            raise

    def _waited(self, show: Callable[[str, float | None], None]) -> bool:
        """Waits if another doit is building the stage, whose log it writes; False if none is."""
        lock = lock_of(self.folder)
        try:
            lock.acquire(timeout=0).lock.release()
        except Timeout:
            show("waiting for another build of it", None)
            lock.acquire().lock.release()
            return True
        return False

    def _run(self, show: Callable[[str, float | None], None], feed: Iterable[bytes] | None) -> bool:
        for file in (self.job_file, self.log, self.log.with_name(f"{self.log.name}.sh")):
            make_way(file)
        write_atomically(self.job_file, json.dumps(self.job(), indent=1) + "\n")
        hours = self.settings.time_limit_hours or self.stage.time_limit_hours
        watch = Watch(self._memory_limit_mib())
        told: list[str] = []
        kept: list[bool] = []
        plans: list[str] = []

        def on_line(line: str) -> None:
            if line.startswith(PROGRESS):
                message = json.loads(line[len(PROGRESS) :])
                if "error" in message:
                    told.append(message["error"])
                elif "plan" in message:
                    plans.append(message["plan"])
                elif "kept" in message:
                    kept.append(True)
                elif "begins" in message:
                    watch.begin(3600 * hours)
                else:
                    show(message["text"], message["share"])

        command: list[str | Path] = [sys.executable, "-m", "pipeline.flow.run", self.job_file]
        try:
            run_tool(
                command,
                log=self.log,
                cwd=ROOT,
                # A stage reads and writes UTF-8, whatever the encoding of the user's terminal.
                env={"PYTHONUTF8": "1"},
                on_line=on_line,
                watch=watch,
                tool_errors=False,
                feed=feed,
            )
        except ToolError:
            if watch.struck is not None:
                raise PipelineError(self._at_limit(watch.struck)) from None
            if told:
                raise PipelineError(told[0]) from None
            raise
        if plans:
            raise Planned(plans[0])
        return not kept

    def _memory_limit_mib(self) -> float | None:
        """The stage's memory limit; None on a GPU, since its driver maps memory of its own."""
        training = self.specs().get("network.training") or {}
        if training.get("device") == "cuda":
            return None
        need = self.stage.memory_mib * training.get("processes", 1)
        return memory.limit_mib(need, self.settings.memory_headroom, self.settings.memory_gib)

    def _at_limit(self, struck: str) -> str:
        setting = "memory_headroom" if "memory" in struck else "time_limit_hours"
        return (
            f"{self.name} {struck}, its limit, and was ended. If the network is so large, raise "
            f"{setting} in local.toml, or PIPELINE_{setting.upper()}: see README, Machine settings."
            f" Log: {self.log}"
        )


def build_folder(settings: Settings) -> Path:
    return (ROOT / settings.build_dir).resolve()


def lock_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def lock_of(folder: Path) -> FileLock:
    """The lock of a stage folder. Whoever writes the folder must hold it."""
    file = lock_file(folder)
    make_way(file)
    return FileLock(file)
