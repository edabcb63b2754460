"""The build's side of a run's life: what tells a run, wherever it is, that its build lives."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.tools.files import make_way
from pipeline.tools.vendor.plan import RUN

BEAT_SECONDS = 2.0


@contextmanager
def occupied(folder: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Holds a work folder: no two builds run in it at once. The kernel frees it at any end."""
    place = folder / RUN
    make_way(place) if not place.is_dir() else None
    place.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place / "build.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell("waiting for another build that runs the same")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def heartbeat(folder: Path) -> Iterator[str]:
    """Shows that this build lives, and gives the word by which its run knows it.

    At its end a run that still goes on is told so, and ends, too.
    """
    file, word, done = folder / RUN / "build", secrets.token_hex(8), threading.Event()

    def beat() -> None:
        number = 0
        while True:
            # a full disk, for example: the next beat may work
            with contextlib.suppress(OSError):
                _replace(file, f"{word} {kernel()} {number}\n")
            number += 1
            if done.wait(BEAT_SECONDS):
                return

    _replace(file, f"{word} {kernel()} -\n")
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield word
    finally:
        done.set()
        thread.join()
        with contextlib.suppress(OSError):
            _replace(file, "over\n")


def kernel() -> str:
    """Names the running kernel: the same here and in a container, another on another machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _replace(file: Path, text: str) -> None:
    """Without waiting for the disk, since only a reader that runs now needs the text."""
    beside = file.with_name("build.new")
    beside.write_text(text)
    beside.replace(file)
