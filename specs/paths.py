"""Finds and reads the files that a user names. Each error is one line."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import unicodedata
from io import BufferedReader
from pathlib import Path

from pipeline.errors import SpecError

GREATEST = 1 << 31
"""The largest file of a model or of weights whose sha256 is taken, in bytes."""
_CIRCLE = "its links go in a circle"
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_UNSEEN = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, surrogates and line separators."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def shown(text: str | Path) -> str:
    """A name as one line of plain text: control characters and bytes that are not UTF-8 escaped."""
    return "".join(map(_shown, str(text)))


def _shown(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python represents a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if unicodedata.category(character) in _UNSEEN:
        return character.encode("unicode_escape").decode()
    return character


def resolve(word: str, folder: Path, said: str) -> Path:
    """The absolute path that `word` means to a user in `folder`.

    Raises SpecError if it cannot be a path. said: how the user gave it ("network=x.toml"), with
    which the error begins.
    """
    try:
        path = (folder / Path(word).expanduser()).resolve()
        os.fsencode(path).decode()
    except UnicodeError:
        raise SpecError(f"{said}: its bytes are no UTF-8; rename the file") from None
    except RuntimeError as error:  # for an unknown home, and in some Pythons for circular links
        homeless = "home" in str(error)
        fault = "that user has no home folder" if homeless else _CIRCLE
        raise SpecError(f"{said}: {fault}") from None
    except (OSError, ValueError) as error:  # ValueError: it has a NUL byte
        raise SpecError(f"{said}: no path: {_reason(error)}") from None
    return path


def file(word: str, folder: Path, said: str, allowed: str = "") -> Path:
    """The regular file that `word` means. SpecError, ending with `allowed`: there is none."""
    return _existing(word, folder, said, allowed, wants_folder=False)


def directory(word: str, folder: Path, said: str, allowed: str = "") -> Path:
    """The folder that `word` means. SpecError, ending with `allowed`: there is none."""
    return _existing(word, folder, said, allowed, wants_folder=True)


def _existing(word: str, folder: Path, said: str, allowed: str, *, wants_folder: bool) -> Path:
    path = resolve(word, folder, said)
    wanted, name = (stat.S_IFDIR, "folder") if wants_folder else (stat.S_IFREG, "file")
    fault = None
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind != wanted:
            fault = _KINDS.get(kind, f"no {name}")
    except OSError as error:
        fault = f"no such {name}" if error.errno in _ABSENT else _reason(error)
    if fault is not None:
        raise SpecError(f"{said}: {fault}{allowed and f'; {allowed}'}")
    return path


def open_file(path: Path) -> BufferedReader:
    """Opens a regular file for reading. Raises OSError for anything else, and never waits.

    Opening a pipe without a writer would block for ever, and a device may have no end.
    """
    # without O_NONBLOCK, opening a pipe would block
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = stat.S_IFMT(os.fstat(handle).st_mode)
    if kind != stat.S_IFREG:
        os.close(handle)
        raise OSError(errno.EINVAL, f"{_KINDS.get(kind, 'something else')}, not a file")
    return os.fdopen(handle, "rb")


def read_file(path: Path, most: int) -> bytes:
    """The content of a regular file. OSError: it cannot be read, or is longer than `most` bytes."""
    with open_file(path) as opened:
        _require_length(opened, most)
        return opened.read(most)


def sha256(path: Path, most: int = GREATEST) -> str:
    """The sha256 of a regular file. OSError: it cannot be read, or is longer than `most` bytes."""
    with open_file(path) as opened:
        _require_length(opened, most)
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _require_length(opened: BufferedReader, most: int) -> None:
    length = os.fstat(opened.fileno()).st_size
    if length > most:
        raise OSError(errno.EFBIG, f"{length:,} bytes, more than the {most:,} allowed")


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    return _CIRCLE if error.errno == errno.ELOOP else (error.strerror or str(error)).lower()
