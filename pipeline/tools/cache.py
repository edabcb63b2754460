"""A cache of results that units share. Each entry names what it was made of, and has a checksum."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.tools.files import digest_of


def remembered(folder: Path, made_of: Any, make: Callable[[], bytes]) -> bytes:
    """The result of `make`, from the cache in `folder` if that has an intact entry for `made_of`.

    made_of: a JSON value of all that decides the result, including the versions of what makes it.
    An entry that is damaged, is of something else or is not a file is made again. Several processes
    may do so at once, since each writes a whole entry.
    """
    place = folder / digest_of(made_of)
    if (known := _read(place, made_of)) is not None:
        return known
    made = make()
    # if the cache cannot be written, the result is only made again next time
    with contextlib.suppress(OSError):
        _write(place, _header(made_of, made) + made)
    return made


def _header(made_of: Any, content: bytes) -> bytes:
    document = {"made_of": made_of, "sha256": hashlib.sha256(content).hexdigest()}
    return json.dumps(document, sort_keys=True).encode() + b"\n"


def _read(place: Path, made_of: Any) -> bytes | None:
    """The content of an entry; None unless its header is exactly the one expected."""
    if not place.is_file():
        return None  # reading a named pipe would never end
    try:
        entry = place.read_bytes()
    except OSError:
        return None
    content = entry.partition(b"\n")[2]
    return content if entry == _header(made_of, content) + content else None


def _write(place: Path, entry: bytes) -> None:
    for folder in (place.parent.parent, place.parent):
        if not folder.is_dir():
            folder.unlink(missing_ok=True)  # a file or a dangling link
            folder.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".", delete=False) as file:
        partial = Path(file.name)
        try:
            file.write(entry)
            file.flush()
            partial.replace(place)
        except OSError:
            partial.unlink(missing_ok=True)  # on a full disk every block counts
            raise
