"""A full or unwritable disk, told as what it is wherever it strikes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import DoesNotFit, MissingTool, SpecError

LEAST_BYTES = 1 << 20
"""Less than this free is full: a write that failed often takes its file away again."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
_WORDS = ("No space left on device", "Disk quota exceeded")
_NO_FILES = (SpecError, DoesNotFit, MissingTool)
"""These never come from a file that was cut short."""


def full(folder: Path) -> bool:
    """Whether the file system of `folder` has no room left."""
    return _free(folder) < LEAST_BYTES


def trouble(error: BaseException, folder: Path) -> str | None:
    """One line for the user if `error`, met while writing below `folder`, is the disk's; or None.

    Libraries and tools say it in their own ways (a RuntimeError of torch, a compiler's line) or
    only leave a file cut short, so that the room left counts, too.
    """
    if isinstance(error, _NO_FILES) or not isinstance(error, Exception):
        return None
    chain = list(_chain(error))
    numbers = {cause.errno for cause in chain if isinstance(cause, OSError)}
    said = any(word in str(cause) for cause in chain for word in _WORDS)
    if numbers & {*_FULL} or said or full(folder):
        return (
            f"{folder}: the disk is full ({_free(folder) / 2**20:,.1f} MiB left); make room, or "
            "set build_dir in local.toml, and run the same command again: nothing built is lost"
        )
    if isinstance(error, OSError) and error.errno in _UNWRITABLE and _inside(error, folder):
        return (
            f"{error.filename or folder}: cannot be written ({error.strerror}); set build_dir in "
            "local.toml, or PIPELINE_BUILD_DIR, to a folder that can; nothing built is lost"
        )
    return None


def _inside(error: OSError, folder: Path) -> bool:
    return error.filename is None or Path(str(error.filename)).is_relative_to(folder)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _free(folder: Path) -> int:
    """Bytes that a user may still write; those of the nearest folder that exists."""
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
