"""A pool of slots that processes share: memory, licences. Whoever finds too few free ones waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.tools.files import make_way

_POLL_SECONDS = 0.1


@contextmanager
def held(
    folder: Path, need: int, there: int, waiting: str, tell: Callable[[str], None]
) -> Iterator[None]:
    """Waits for `need` of the `there` slots of the pool in `folder`, and holds them.

    Whoever needs more than there are takes all. `tell` gets the text `waiting` once, if it must
    wait. The slots are file locks of this process, so that they become free however it ends. Only
    the process that holds the turn collects slots: so no two processes wait for each other, and
    small needs cannot keep a large one waiting for ever.
    """
    need = min(there, need)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as slots:
        with ExitStack() as turn:
            free = iter(_told(tell, waiting))
            _wait_for(turn, [folder / "turn.lock"], 1, free)
            _wait_for(slots, [folder / f"{number}.lock" for number in range(there)], need, free)
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
