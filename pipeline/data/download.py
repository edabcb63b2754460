"""Downloads files from mirrors into a cache. A file appears there only if it is whole and right."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import PipelineError
from pipeline.job import progress

TIMEOUT = 20.0
"""Seconds without data after which a mirror is given up."""
_CHUNK = 1 << 18
GREATEST = 1 << 28
"""The most bytes of a file, compressed or not. None of those that are downloaded has more."""


@dataclass(frozen=True)
class Source:
    """The name of a file, and the sha256 of its decompressed content. Mirrors have it as .gz."""

    name: str
    sha256: str


class UnreachableError(PipelineError):
    """No mirror provided the file. The text has one line for each that was tried."""


def fetch(
    sources: tuple[Source, ...], mirrors: tuple[str, ...], folder: Path, timeout: float = TIMEOUT
) -> None:
    """Downloads missing files into `folder`. Raises UnreachableError, with each mirror's reason."""
    missing = [
        source
        for source in sources
        if not (folder / source.name).exists() and not (folder / f"{source.name}.gz").exists()
    ]
    for number, source in enumerate(missing):
        progress(f"downloading {source.name}", number / len(missing))
        _fetch_one(source, mirrors, folder, timeout)


def _fetch_one(source: Source, mirrors: tuple[str, ...], folder: Path, timeout: float) -> None:
    reasons = []

    def fault(path: Path) -> str | None:
        found = _raw_digest(path)
        return (
            None
            if found == source.sha256
            else f"wrong content: sha256 {found}, expected {source.sha256}"
        )

    for mirror in mirrors:
        name = f"{source.name}.gz"
        try:
            download(f"{mirror.rstrip('/')}/{name}", folder / name, fault, timeout)
            return
        except UnreachableError as error:
            reasons.append(str(error))
    raise UnreachableError("\n".join(reasons))


def download(
    url: str,
    target: Path,
    fault: Callable[[Path], str | None],
    timeout: float = TIMEOUT,
) -> None:
    """Downloads `url` to the file `target`, which appears only if it is whole and without `fault`.

    fault: returns what is wrong with a file, or None. Raises UnreachableError with the reason.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PipelineError(f"{target.parent}: the cache cannot be made: {error}") from None
    # a name of its own, since two builds may download the same file at once
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            _copy(url, file, timeout)
        if (wrong := fault(partial)) is not None:
            raise UnreachableError(f"{url}: {wrong}")
        partial.replace(target)
    except (OSError, EOFError, zlib.error, http.client.HTTPException, ValueError) as error:
        # URLError and HTTPError are OSErrors; ValueError: not a URL, or too long
        raise UnreachableError(f"{url}: {getattr(error, 'reason', '') or error}") from None
    finally:
        partial.unlink(missing_ok=True)


def _copy(url: str, file: BinaryIO, timeout: float) -> None:
    # mirrors are constants of this package, and the content is checked by its digest
    with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310
        expected = answer.headers.get("Content-Length")
        size = 0
        while chunk := answer.read(_CHUNK):
            size += file.write(chunk)
            if size > GREATEST:
                raise ValueError(f"more than {GREATEST} bytes")
        if expected is not None and size != int(expected):
            raise EOFError(f"cut after {size} of {expected} bytes")


def _raw_digest(path: Path) -> str:
    digest, size = hashlib.sha256(), 0
    with gzip.open(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if size > GREATEST:
                raise ValueError(f"unpacks to more than {GREATEST} bytes")
    return digest.hexdigest()
