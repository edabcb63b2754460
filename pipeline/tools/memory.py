"""A pool of memory that all builds in one build folder share: large stages wait for one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from pipeline.tools.slots import held

SLOT_MIB = 512
SHARE = 0.8
"""The pool's share of the machine's memory, unless `memory_gib` is set. The rest is left to the
system and the user."""
BASE_MIB = 2048
"""Memory that every stage may take beyond its headroom, for large networks and for threads of
libraries."""

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def pool_slots(memory_gib: float | None) -> int:
    """The number of slots in the pool, at least one. memory_gib: the setting of that name."""
    mib = SHARE * machine_bytes() / 2**20 if memory_gib is None else memory_gib * 1024
    return max(1, int(mib // SLOT_MIB))


def limit_mib(need_mib: int, headroom: float, memory_gib: float | None) -> float:
    """The memory at which a stage that declares `need_mib` is ended.

    It is at least what the user sets with `memory_gib`.
    """
    return max(headroom * need_mib + BASE_MIB, (memory_gib or 0) * 1024)


def machine_bytes() -> int:
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

    A stage larger than the pool takes all of it, and so runs alone.
    """
    waiting = f"waiting for {need_mib / 1024:g} GiB of memory"
    with held(folder, math.ceil(need_mib / SLOT_MIB), pool_slots(memory_gib), waiting, tell):
        yield
