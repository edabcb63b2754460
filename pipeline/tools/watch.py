"""The limits of a program: how long it may take, and how much memory with all that it starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

POLL_SECONDS = 0.25
SHARE = 0.02
"""Of a processor's time that looking may take, where very many processes are to be looked at."""


class Watch:
    """Ends a program that takes more than it may; `struck` then says what it did.

    memory_mib: for the program and all below it, of memory that is theirs alone: files they map
    and pages they share can be had again. Without it the memory is not looked at.
    """

    def __init__(self, memory_mib: float | None = None) -> None:
        self.memory_mib = memory_mib
        self.struck: str | None = None
        self._seconds: float | None = None
        self._deadline = 0.0
        self._done = threading.Event()

    def begin(self, seconds: float) -> None:
        """From now on the program may take so long; before that it may wait as it needs to."""
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds

    @contextmanager
    def over(self, pid: int, end: Callable[[], None]) -> Iterator[None]:
        """Watches a running program; calls `end` once if it takes too much."""
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
    """Memory of a process and all below it that is shared with no file."""
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
            continue  # ended meanwhile
        total += used.rss - getattr(used, "shared", 0)
    return total / 2**20
