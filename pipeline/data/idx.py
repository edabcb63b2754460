"""Reads IDX files, raw or gzip, and checks the checksum of their raw content."""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path

import numpy as np

from pipeline.data.archives import ArchiveError, gunzip
from pipeline.data.download import GREATEST, Source
from pipeline.errors import PipelineError
from specs.paths import read_file

_UNSIGNED_BYTES = 0x08


def find(source: Source, folder: Path) -> Path | None:
    """The file of `source` in `folder`, raw or gzip; None if there is none."""
    for path in (folder / source.name, folder / f"{source.name}.gz"):
        if path.is_file():
            return path
    return None


def read(source: Source, folder: Path) -> np.ndarray:
    """The array in the file of `source`: uint8, shaped as its header says.

    PipelineError: there is no such file, or it has another content.
    """
    path = find(source, folder)
    if path is None:
        raise PipelineError(f"{folder / source.name}: no such file, nor with .gz")
    return parse(content(path, source), path)


def content(path: Path, source: Source) -> bytes:
    """The raw content of `path`. PipelineError, with both checksums: it is not that of `source`.

    The checksum is that of the raw content, so that any gzip may have compressed it.
    """
    raw = b""
    try:
        raw = gunzip(path, GREATEST) if path.suffix == ".gz" else read_file(path, GREATEST)
        found = hashlib.sha256(raw).hexdigest()
    except (OSError, ArchiveError) as error:
        found = f"none, it cannot be read ({getattr(error, 'strerror', None) or error})"
    if found != source.sha256:
        raise PipelineError(
            f"{path}: damaged, truncated or another file\n"
            f"  sha256 of its raw content, expected: {source.sha256}\n"
            f"  sha256 of its raw content, found:    {found}\n"
            "Delete it and get it again."
        )
    return raw


def parse(raw: bytes, path: Path) -> np.ndarray:
    """The array in an IDX file of bytes: (0, 0, type, rank), big-endian sizes, then the data."""
    rank = raw[3] if len(raw) >= 4 else 0
    start = 4 + 4 * rank
    if not 1 <= rank <= 4 or raw[:3] != bytes((0, 0, _UNSIGNED_BYTES)) or len(raw) < start:
        raise PipelineError(f"{path}: not an IDX file of unsigned bytes")
    shape = struct.unpack(f">{rank}I", raw[4:start])
    data = np.frombuffer(raw, dtype=np.uint8, offset=start)
    if data.size != math.prod(shape):
        raise PipelineError(f"{path}: {data.size} bytes of data, its header says {shape}")
    return data.reshape(shape)
