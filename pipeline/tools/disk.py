"""Recognises errors that a full or unwritable disk causes, in whatever form they appear."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import DoesNotFit, MissingTool, SpecError

LEAST_BYTES = 1 << 20
"""A disk with less free space counts as full: a failed write often removes its file, so that some
space is free again."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
_FULL_WORDS = ("No space left on device", "Disk quota exceeded")
_TOO_LARGE_WORDS = ("File too large", "File size limit exceeded")
_NO_FILES = (SpecError, DoesNotFit, MissingTool)
"""Errors that a truncated file never causes."""


def full(folder: Path) -> bool:
    """Whether the file system of `folder` is full. One without blocks or read-only is not."""
    status = _status(folder)
    read_only = status.f_flag & os.ST_RDONLY
    return bool(status.f_blocks) and not read_only and _free(status) < LEAST_BYTES


def trouble(error: BaseException, folder: Path) -> str | None:
    """A line for the user if the disk caused `error`, met while writing below `folder`; else None.

    Libraries and tools report it in their own ways (a RuntimeError of torch, a compiler's line) or
    only leave a truncated file. That is why the free space is checked, too.
    """
    if isinstance(error, _NO_FILES) or not isinstance(error, Exception):
        return None
    chain = list(_chain(error))
    numbers = {cause.errno for cause in chain if isinstance(cause, OSError)}
    text = "\n".join(map(str, chain))
    if errno.EFBIG in numbers or any(word in text for word in _TOO_LARGE_WORDS) or _cut(text):
        return _too_large(folder)
    if isinstance(error, OSError) and error.errno in _UNWRITABLE and _inside(error, folder):
        return (
            f"{error.filename or folder}: cannot be written ({error.strerror}); set build_dir in "
            "local.toml, or PIPELINE_BUILD_DIR, to a folder that can; nothing built is lost"
        )
    if numbers & {*_FULL} or any(word in text for word in _FULL_WORDS) or full(folder):
        left = _free(_status(folder)) / 2**20
        return (
            f"{folder}: the disk is full ({left:,.1f} MiB left); make room, or "
            "set build_dir in local.toml, and run the same command again: nothing built is lost"
        )
    if (limit := _file_limit()) is not None and _reached(folder, limit):
        return _too_large(folder)
    return None


def _too_large(folder: Path) -> str:
    limit = _file_limit()
    size = "" if limit is None else f" of {limit / 2**20:,.1f} MiB"
    return (
        f"{folder}: a file reached the size limit{size} that this shell or file system sets; "
        "raise it (ulimit -f unlimited) and run the same command again: nothing built is lost"
    )


def _cut(text: str) -> bool:
    """Whether the text says that a program ended by the signal for a file that is too large."""
    return re.search(rf"ended by signal {signal.SIGXFSZ:d}\b", text) is not None


def _file_limit() -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if limit == resource.RLIM_INFINITY else limit


def _reached(folder: Path, limit: int) -> bool:
    """Whether a file is as large as the limit, so that a program may have truncated it silently."""
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                if (Path(place) / name).lstat().st_size >= limit:
                    return True
    return False


def _inside(error: OSError, folder: Path) -> bool:
    return error.filename is None or Path(str(error.filename)).is_relative_to(folder)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(folder: Path) -> os.statvfs_result:
    """The status of the file system of a folder, or of its nearest parent that exists."""
    while True:
        try:
            return os.statvfs(folder)
        except OSError:
            if folder == folder.parent:
                raise
            folder = folder.parent


def _free(status: os.statvfs_result) -> int:
    """The bytes that a user may still write."""
    return status.f_bavail * status.f_frsize
