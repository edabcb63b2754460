"""Digests, atomic writes, and the removal of files, folders and links alike."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from specs import paths


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(document: Any) -> str:
    """The sha256 of a JSON value, whatever the order of its keys. Raises ValueError for a NaN."""
    text = json.dumps(document, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Writes a file so that a reader sees the old or the new text, never a part of it.

    The text goes into a file beside it, which is renamed once it is on the disk: so a power cut
    does not leave an empty file either.
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
    """Waits until a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def content(path: Path, most: int) -> bytes | None:
    """The content of a regular file of at most `most` bytes; None for anything else."""
    try:
        return paths.read_file(path, most)
    except OSError:
        return None


def there(path: Path) -> bool:
    """Whether anything has this name, even a broken link."""
    return os.path.lexists(path)


def is_folder(path: Path) -> bool:
    """Whether this is a folder, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def remove(path: Path) -> None:
    """Removes the file, folder or link of this name. What a link points to stays."""
    if is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_way(path: Path) -> None:
    """Removes anything but a regular file of this name, so that a file can be written there."""
    if there(path) and (path.is_symlink() or not path.is_file()):
        remove(path)
