"""Digests, files that are written whole or not at all, and places where anything may lie."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(document: Any) -> str:
    """sha256 of a JSON value, independent of the order of its keys. ValueError: it has a NaN."""
    text = json.dumps(document, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Writes beside and renames, so that a reader sees the old or the new text, never a part.

    The text is on the disk before the name is: a power cut leaves no empty file either.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text)
        sync(beside)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)  # on a full disk every block counts
        raise


def sync(path: Path) -> None:
    """Returns when a file's content, or the names in a folder, would outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def content(path: Path, most: int) -> bytes | None:
    """All of a regular file of at most `most` bytes; None for anything else, or nothing there."""
    try:
        # a named pipe without a writer would be waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def there(path: Path) -> bool:
    """Whether anything has this name, a link to nowhere included."""
    return os.path.lexists(path)


def is_folder(path: Path) -> bool:
    """Whether a folder itself lies here, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def remove(path: Path) -> None:
    """Removes whatever has this name; of a link the link alone: what it points to is not ours."""
    if is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_way(path: Path) -> None:
    """Removes what would be in the way of a file: a folder, a link, a named pipe."""
    if there(path) and (path.is_symlink() or not path.is_file()):
        remove(path)
