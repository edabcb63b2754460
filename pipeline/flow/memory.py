"""A pool of memory that all builds in one build folder share: large stages wait for one another."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pipeline.tools.files import make_way

SLOT_MIB = 512
SHARE = 0.8
"""The pool's share of the machine's memory, unless `memory_gib` is set. The rest is left to the
system and the user."""
BASE_MIB = 2048
"""Memory that every stage may take beyond its headroom, for large networks and for threads of
libraries."""

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_POLL_SECONDS = 0.1


def pool_slots(memory_gib: float | None) -> int:
    """The number of slots in the pool, at least one. memory_gib: the setting of that name."""
    mib = SHARE * _machine_bytes() / 2**20 if memory_gib is None else memory_gib * 1024
    return max(1, int(mib // SLOT_MIB))


def limit_mib(need_mib: int, headroom: float, memory_gib: float | None) -> float:
    """The memory at which a stage that declares `need_mib` is ended.

    It is at least what the user sets with `memory_gib`.
    """
    return max(headroom * need_mib + BASE_MIB, (memory_gib or 0) * 1024)


def _machine_bytes() -> int:
    """The memory of this machine, or the limit of the container if that is lower."""
    found = [psutil.virtual_memory().total]
    for path in map(Path, _LIMITS):
        with suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(path.read_text()))
    return min(found)


@contextmanager
def reserved(
    folder: Path, need_mib: int, memory_gib: float | None, tell: Callable[[str], None]
) -> Iterator[None]:
    """Waits for enough free slots for `need_mib`, and holds them. `folder` holds the pool.

    A stage larger than the pool takes all of it, and so runs alone. The slots are file locks of
    this process, so that they become free however it ends. Only the process that holds the turn
    collects slots: so no two processes wait for each other, and small stages cannot keep a large
    one waiting for ever.
    """
    there = pool_slots(memory_gib)
    need = min(there, math.ceil(need_mib / SLOT_MIB))
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with ExitStack() as turn:
            free = iter(_told(tell, f"waiting for {need_mib / 1024:g} GiB of memory"))
            _wait_for(turn, [folder / "turn.lock"], 1, free)
            _wait_for(held, [folder / f"{number}.lock" for number in range(there)], need, free)
        yield


def _told(tell: Callable[[str], None], text: str) -> Iterator[None]:
    """Yields once per wait; the first time it shows `text`."""
    tell(text)
    while True:
        time.sleep(_POLL_SECONDS)
        yield


def _wait_for(held: ExitStack, files: list[Path], count: int, wait: Iterator[None]) -> None:
    """Enters `count` locks of `files` into `held`. While it waits it keeps those it has."""
    for path in files:
        make_way(path)
    locks = [FileLock(path) for path in files]
    while True:
        for lock in [lock for lock in locks if not lock.is_locked]:
            if count == 0:
                return
            with suppress(Timeout):
                held.enter_context(lock.acquire(timeout=0))
                count -= 1
        if count == 0:
            return
        next(wait)
