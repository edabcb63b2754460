"""Limits of a program: its time, and its memory together with that of all it starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

POLL_SECONDS = 0.25
SHARE = 0.02
"""The share of a processor's time that measuring may take. With very many processes the pauses
get longer."""


class Watch:
    """Ends a program that exceeds a limit; `struck` then says which.

    memory_mib: the limit for the program and all its descendants together. Only memory of their own
    counts: mapped files and shared pages do not. None: memory has no limit.
    """

    def __init__(self, memory_mib: float | None = None) -> None:
        self.memory_mib = memory_mib
        self.struck: str | None = None
        self._seconds: float | None = None
        self._deadline = 0.0
        self._done = threading.Event()

    def begin(self, seconds: float) -> None:
        """Starts the time limit. Until this call the program may wait as long as it needs to."""
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds

    @contextmanager
    def over(self, pid: int, end: Callable[[], None]) -> Iterator[None]:
        """Watches a running program, and calls `end` once if it exceeds a limit."""
        thread = threading.Thread(target=self._watch, args=(pid, end), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _watch(self, pid: int, end: Callable[[], None]) -> None:
        pause = POLL_SECONDS
        while not self._done.wait(pause):
            start = time.monotonic()
            if self._seconds is not None and start > self._deadline:
                self.struck = f"did not end within {_duration(self._seconds)}"
            elif self.memory_mib is not None and _own_mib(pid) > self.memory_mib:
                self.struck = f"took more than {self.memory_mib / 1024:.3g} GiB of memory"
            if self.struck is not None:
                end()
                return
            pause = max(POLL_SECONDS, (time.monotonic() - start) / SHARE)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:g} hours" if seconds >= 3600 else f"{seconds:g} s"


def _own_mib(pid: int) -> float:
    """The memory of a process and all its descendants, without mapped files and shared pages."""
    try:
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for one in tree:
        try:
            used = one.memory_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it has just ended
        total += used.rss - getattr(used, "shared", 0)
    return total / 2**20
