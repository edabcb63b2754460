"""What a build shows: one line with figures per finished stage, and progress in between."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from types import FrameType
from typing import Any, TextIO

from doit.exceptions import UnmetDependency

from pipeline.flow import state
from pipeline.flow.task import Task
from pipeline.job import NOTES, Figure
from pipeline.tools.files import content
from pipeline.tools.process import MARK, end_marked, new_mark

ABBREVIATIONS = {"ii": "II"}
RAN = "ran"
"""Key of a task's values: whether its stage really ran."""
PLANNED = "planned"
"""Key of a task's values: the plan of a stage that was not run, because only that was wanted."""
REFUSED = "refused"
"""Key of a task's values: why its stage failed, if the task did not fail with it."""

_LONGEST_NOTES = 1 << 16
QUIET_SECONDS = 10.0
"""Seconds between two progress lines if the output is not a terminal."""
LEAST_NAME = 12
"""Characters of a unit's name that a line of progress shows at least."""


class StageReporter:
    """A doit reporter. Tasks of stages have `meta["task"]`; any other is shown by its name."""

    desc = "one line for each stage, with its figures"

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        from rich.console import Console  # noqa: PLC0415 - a fifth of the time of `./doit list`

        self.console = Console(file=outstream, highlight=False, soft_wrap=True)
        self.failed: list[str] = []
        self.later = False
        """Whether other lines came after that of a task that failed."""

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        os.environ[MARK] = new_mark()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)
        for line in {tasks[name].meta.get("notice") for name in selected_tasks if tasks[name].meta}:
            if line:
                self.console.print(line, style="dim")

    def get_status(self, task: Any) -> None:
        pass

    def execute_task(self, task: Any) -> None:
        pass

    def add_success(self, task: Any) -> None:
        if (why := task.values.get(REFUSED)) is not None:
            self._tell(task, why)
            return
        self.later = bool(self.failed)
        if (plan := task.values.get(PLANNED)) is not None and (of := _of(task)) is not None:
            self._line("plan", of, "")
            self.console.print(escape(plan.rstrip()))
            return
        if not task.values.get(RAN, True):
            self.skip_uptodate(task)  # another doit has just built it
        elif (stage_task := _of(task)) is not None:
            record = state.run_record(stage_task.folder)
            seconds = f"[dim]{record.seconds if record else 0:.1f} s[/]"
            self._line("[green]ran [/]", stage_task, f"{figures(stage_task)}  {seconds}")
            for note in notes(stage_task):
                self.console.print(f"     [yellow]note[/] {escape(note)}")

    def skip_uptodate(self, task: Any) -> None:
        if (stage_task := _of(task)) is not None:
            self._line("[dim]kept[/]", stage_task, figures(stage_task))

    def skip_ignore(self, task: Any) -> None:
        pass

    def add_failure(self, task: Any, fail: Any) -> None:
        if not fail.report or isinstance(fail, UnmetDependency):
            return  # what it needs was told
        self._tell(task, fail.get_msg())

    def _tell(self, task: Any, why: str) -> None:
        _clear_progress()
        name = stage_task.name if (stage_task := _of(task)) is not None else task.name
        self.console.print(f"[red]failed[/] {escape(name)}")
        self.console.print(escape(why.rstrip()))
        self.failed.append(name)

    def cleanup_error(self, exception: Any) -> None:
        self.console.print(escape(exception.get_msg()))

    def runtime_error(self, msg: str) -> None:
        self.console.print(f"[red]error[/] {escape(msg)}")

    def teardown_task(self, task: Any) -> None:
        pass

    def complete_run(self) -> None:
        _clear_progress()
        if self.later:
            self.console.print(f"[red]failed[/] {escape(', '.join(self.failed))}; told above")

    def _line(self, mark: str, task: Task, rest: str) -> None:
        _clear_progress()
        self.console.print(f"{mark} {task.stage.name:<10} {escape(task.unit.name)}  {rest}")


def escape(text: str) -> str:
    """The text without rich's markup; rich is imported when something is shown."""
    from rich.markup import escape as plain  # noqa: PLC0415

    return plain(text)


def _of(task: Any) -> Task | None:
    found = (task.meta or {}).get("task")
    return found if isinstance(found, Task) else None


def notes(task: Task) -> list[str]:
    """What a published stage tells beside its figures, though all went well."""
    text = content(task.folder / NOTES, _LONGEST_NOTES) or b""
    return text.decode("utf-8", "replace").splitlines()


def figures(task: Task) -> str:
    """The figures of a published stage for its line, each with its kind."""
    metrics = state.metrics(task.folder)
    shown = [(name, metrics[name]) for name in task.stage.shows if name in metrics]
    return " · ".join(
        f"{_label(name, figure)}{escape(str(figure))} [dim]{figure.kind}[/]"
        for name, figure in shown
    )


def _label(name: str, figure: Figure) -> str:
    """The figure's name; empty if its unit already says it (98 cycles; 665 LUT)."""
    if figure.unit.lower() == name:
        return ""
    return f"{ABBREVIATIONS.get(name, name.replace('_', ' '))} "


def _leave(number: int, frame: FrameType | None) -> None:
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)  # once is enough
    _clear_progress()
    for worker in multiprocessing.active_children():
        worker.kill()  # of `doit -n`: an idle one may miss the signal
    if multiprocessing.parent_process() is None:
        # a worker may have been killed while it was ending its stage
        end_marked(os.environ[MARK])
    if sys.__stderr__ is not None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            sys.__stderr__.write("interrupted; the same command goes on from here\n")
    # SystemExit passes through run_tool, which kills the running tool and all that it started
    raise SystemExit(128 + number)


class Progress:
    """Shows a stage's progress: one line that is rewritten on a terminal, else a line at times."""

    def __init__(self, task: Task) -> None:
        self.stage, self.unit = f"     {task.stage.name:<10} ", task.unit.name
        self.last = time.monotonic()

    def show(self, text: str, share: float | None) -> None:
        stream = sys.__stderr__
        if stream is None:
            return
        words = f"  {'' if share is None else f'{share:4.0%}  '}{text}"
        line = f"{self.stage}{self.unit}{words}"
        if stream.isatty():
            width = _width(stream)
            # rather the unit's name is cut than what goes on
            room = max(LEAST_NAME, width - len(self.stage) - len(words))
            line = f"{self.stage}{_cut(self.unit, room)}{words}"
            stream.write(f"\r\x1b[K{line[:width]}")
        elif time.monotonic() - self.last >= QUIET_SECONDS:
            self.last = time.monotonic()
            stream.write(line + "\n")
        stream.flush()


def _cut(name: str, room: int) -> str:
    return name if len(name) <= room else f"…{name[1 - room :]}"


def _width(stream: TextIO) -> int:
    from rich.console import Console  # noqa: PLC0415

    return Console(file=stream).width - 1


def _clear_progress() -> None:
    if sys.__stderr__ is not None and sys.__stderr__.isatty():
        sys.__stderr__.write("\r\x1b[K")
        sys.__stderr__.flush()
