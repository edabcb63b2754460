"""Reads zip and gzip files of the user's. Sizes are checked before anything is unpacked."""

from __future__ import annotations

import gzip
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from specs.paths import open_file

_DIRECTORY = 1 << 20
"""The most bytes that a zip file's list of members may have, enough for ten thousand members."""
_END, _END_64, _LOCATOR = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_TAIL = 56 + 20 + 22 + (1 << 16)
"""How many bytes at the end of a zip file can describe its list of members."""
_BAD_ZIP = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(RuntimeError, ValueError, OverflowError),
)
"""What zipfile raises for damaged files; RuntimeError: encrypted, or a rare compression."""


class ArchiveError(Exception):
    """An archive is damaged or too large when unpacked; the text is the reason."""


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """Opens a zip file. ArchiveError: it is damaged, or its list of members is too long."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _TAIL))
    tail = file.read(_TAIL)
    if _directory_size(tail) > _DIRECTORY:
        raise ArchiveError("it lists more members than any such file has")
    try:
        return zipfile.ZipFile(file)
    except _BAD_ZIP as error:
        raise ArchiveError(str(error)) from None


def _directory_size(tail: bytes) -> int:
    """The largest size of the list of members that any reader could find in a zip file's end."""
    found = [0]
    start = -1
    while (start := tail.find(_END, start + 1)) >= 0:
        found.append(int.from_bytes(tail[start + 12 : start + 16], "little"))
    start = -1
    while (start := tail.find(_END_64, start + 1)) >= 0:
        found.append(int.from_bytes(tail[start + 40 : start + 48], "little"))
    # in a zip64 file the field of the short form has no meaning
    return max(size for size in found if size != 0xFFFFFFFF or _LOCATOR not in tail)


def open_member(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    """Opens a member for reading. It must be stored or use deflate, which needs little memory."""
    try:
        info = archive.getinfo(name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(f"{name} is packed in another way than with deflate")
        return archive.open(info)  # type: ignore[return-value] # typed as IO[bytes]
    except KeyError:
        raise ArchiveError(f"it has no {name}") from None
    except _BAD_ZIP as error:
        raise ArchiveError(f"{name}: {error}") from None


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of a member. The caller must have checked its size."""
    with open_member(archive, name) as file:
        try:
            return file.read()
        except _BAD_ZIP as error:
            raise ArchiveError(str(error)) from None


def gunzip(path: Path, most: int) -> bytes:
    """The unpacked content of a gzip file. ArchiveError: damaged, or more than `most` bytes."""
    try:
        with open_file(path) as packed, gzip.open(packed) as file:
            raw = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveError(getattr(error, "strerror", None) or str(error)) from None
    if len(raw) > most:
        raise ArchiveError(f"it unpacks to more than {most:,} bytes")
    return raw
