"""The progress of a running vendor tool: its phase, and how long it may still take.

How long the phases of earlier runs took is kept in the cache. It decides nothing but what is shown.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.tools.files import write_atomically

Show = Callable[[str, float | None], None]

_EVERY_SECONDS = 5.0
"""The line is shown again after so long even if the phase is the same, since the time goes on."""
_KEPT = 300
"""How many runs the history keeps."""
_MOST_BYTES = 1 << 20
_SMALLEST, _LARGEST = 1e-3, 1e15
_PHASES = (
    re.compile(r"^Command: (?P<step>[a-z]\w+)"),
    re.compile(r"^INFO: \[HLS 200-1510\] Running: (?P<step>\w+)"),
    re.compile(r"^INFO: \[IMPL 213-8\] (?P<part>Exporting RTL as a Vivado IP)"),
    re.compile(r"^INFO: \[HLS 200-42\] -- (?P<part>Implementing module '[^']{1,60}')"),
    re.compile(r"^\[[A-Z][a-z]{2} [\w :]{10,30}\] (?P<part>Waiting for \w{1,60} to finish)"),
    re.compile(r"^(?P<part>Phase \d+(\.\d+)* [^|]{1,80}?)\s*$"),
    re.compile(r"^Starting (?P<part>[A-Z][\w /-]{2,50} Task)\s*$"),
    re.compile(r"^Start(ing)? (?P<part>[A-Z][\w /()-]{2,60}?)( : Time \(s\).*)?\s*$"),
)
"""Lines that begin a step (a command of the tool) or a part of it."""
_SILENT = re.compile(r"^(report|write|read|get|set|open|close|create|add)_")
"""Commands that are too short to be shown. write_bitstream is not."""
_INNER = re.compile(r"^Phase \d+(\.\d+)+ ")
"""A part of a phase ("Phase 2.1"): shown, but not timed by itself."""


class _Run(BaseModel):
    """One run that ended well: its tool, the size of what it worked on, and its phases in order."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    tool: str = Field(max_length=200)
    size: float = Field(ge=_SMALLEST, le=_LARGEST)
    phases: list[
        tuple[Annotated[str, Field(max_length=200)], Annotated[float, Field(ge=0, le=_LARGEST)]]
    ] = Field(max_length=500)


class Phases:
    """Follows the lines of one run, and shows its phase, its time and what is left of it.

    show: gets a line and the part of the work that is done, if earlier runs tell. history: a file
    in the cache. tool: what is compared with earlier runs, such as "implement". size: a measure of
    the work, such as the LUTs that are expected; time is taken to grow with it.
    """

    def __init__(
        self,
        show: Show,
        history: Path,
        tool: str,
        size: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._show, self._history, self._tool, self._clock = show, history, tool, clock
        self._size = min(max(size, _SMALLEST), _LARGEST) if not math.isnan(size) else 1.0
        self._before = _nearest(history, tool, self._size)
        self._begin = self._since = self._shown = clock()
        self._step, self._part = "", ""
        self._phase = "start"
        self._done: list[tuple[str, float]] = []
        self._started, self._lock = False, threading.Lock()

    def line(self, text: str) -> None:
        """Takes one line of the tool's output.

        The time begins with the first: before it, the run may have waited for a licence.
        """
        with self._lock:
            now = self._clock()
            if not self._started:
                self._started, self._begin, self._since, self._shown = True, now, now, now
            if self._found(text, now) or now - self._shown >= _EVERY_SECONDS:
                self._tell(now)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Shows the time also while the tool says nothing, as it may for half an hour."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_EVERY_SECONDS):
                with self._lock:
                    now = self._clock()
                    if self._started and now - self._shown >= _EVERY_SECONDS:
                        self._tell(now)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _tell(self, now: float) -> None:
        self._shown = now
        self._show(*self._told(now))

    def finish(self) -> None:
        """Keeps how long the phases took. For a run that ended well."""
        self._end_phase(self._clock())
        run = _Run(tool=self._tool[:200], size=self._size, phases=self._done[:500])
        with contextlib.suppress(OSError):  # then the next run only has no estimate
            self._history.parent.mkdir(parents=True, exist_ok=True)
            _append(self._history, run.model_dump_json())

    def _found(self, text: str, now: float) -> bool:
        """Whether the line begins another phase."""
        match = next((found for phase in _PHASES if (found := phase.match(text))), None)
        if match is None:
            return False
        groups = match.groupdict()
        step, part = groups.get("step"), groups.get("part") or ""
        if step is not None:
            if _SILENT.match(step) and step != "write_bitstream":
                return False
            self._step = step
        self._part = part
        phase = f"{self._step}: {part}"[:200]
        if _INNER.match(part) is None and phase != self._phase:
            self._end_phase(now)
            self._phase = phase
        return True

    def _end_phase(self, now: float) -> None:
        self._done.append((self._phase, max(0.0, now - self._since)))
        self._since = now

    def _told(self, now: float) -> tuple[str, float | None]:
        words = " ".join(word for word in (self._step, self._part) if word)
        spent = now - self._begin
        left = self._left(now)
        if left is None:
            return f"{words}, {_duration(spent)}", None
        share = spent / (spent + left) if spent + left > 0 else 0.0
        return f"{words}, {_duration(spent)}, about {_duration(left)} left", min(share, 0.99)

    def _left(self, now: float) -> float | None:
        """The time that is left, from the nearest earlier run; None if there is none to compare."""
        if self._before is None:
            return None
        phases = self._before.phases
        scale = self._size / self._before.size
        place = _place([name for name, _ in phases], [*(n for n, _ in self._done), self._phase])
        if place is None:
            return None
        past = scale * sum(seconds for _, seconds in phases[:place])
        spent = self._since - self._begin
        if past > 10 and spent > 0:  # this machine, or this design, may be faster or slower
            scale *= min(3.0, max(1 / 3, spent / past))
        here = max(0.0, scale * phases[place][1] - (now - self._since))
        return here + scale * sum(seconds for _, seconds in phases[place + 1 :])


def _place(names: list[str], seen: list[str]) -> int | None:
    """Where among an earlier run's phases this run is: at its last one that is there, too."""
    at = None
    for name in seen:
        with contextlib.suppress(ValueError):
            at = names.index(name, 0 if at is None else at)
    return at


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _nearest(history: Path, tool: str, size: float) -> _Run | None:
    """The run of this tool whose size is nearest; of equal ones the last that is whole.

    One that went on from a checkpoint has fewer phases than a whole one.
    """
    runs = [run for run in _runs(history) if run.tool == tool]
    return min(
        reversed(runs),
        key=lambda run: (abs(math.log(run.size / size)), -len(run.phases)),
        default=None,
    )


def _runs(history: Path) -> list[_Run]:
    """The runs in the history. A line that is damaged is left out: the file is only a cache."""
    found = []
    for line in _tail(history):
        with contextlib.suppress(ValidationError):
            found.append(_Run.model_validate_json(line))
    return found


def _tail(history: Path) -> list[bytes]:
    try:
        if not history.is_file():
            return []
        with history.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_BYTES))
            return file.read(_MOST_BYTES).splitlines()[-_KEPT:]
    except OSError:
        return []


def _append(history: Path, line: str) -> None:
    """Adds a line in one write, so that runs that end at the same time do not mix."""
    if history.is_file() and history.stat().st_size > _MOST_BYTES:
        kept = b"\n".join(_tail(history)[-_KEPT // 2 :])
        write_atomically(history, kept.decode("utf-8", "replace") + "\n")
    with history.open("ab") as file:
        file.write(line.encode() + b"\n")
