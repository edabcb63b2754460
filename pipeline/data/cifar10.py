"""CIFAR-10 from its Python batches: a copy of the user's, or one downloaded to a cache."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from pipeline.data import pickles
from pipeline.data.arrays import DataSet
from pipeline.data.download import UnreachableError, download
from pipeline.data.pickles import DamagedPickleError, PickleError
from pipeline.errors import PipelineError
from pipeline.job import progress
from specs.paths import read_file

BATCHES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""Name and md5 of each batch of 10,000 images; all but the last are for training."""
ARCHIVE = "cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
FOLDER = "cifar-10-batches-py"
_GREATEST = 1 << 28
"""The largest batch that is read, in bytes: nine times the size of an original one."""
_PLACES = ("", FOLDER, f"cifar10/{FOLDER}")
_WAY_OUT = (
    f"Give the folder that holds {FOLDER} with data_root=FOLDER, "
    "or train on the embedded images with dataset=digits."
)


def load(
    settings: Mapping[str, Any],
    mirrors: tuple[str, ...] = MIRRORS,
    cache: Path | None = None,
) -> DataSet:
    """Loads CIFAR-10: 50,000 training and 10,000 test images of 32x32x3.

    If data_root is set, only that is searched. Batches there may differ from the original ones
    (recompressed, a subset relabelled); the note then says so. PipelineError: batches are missing,
    damaged or hold more than arrays, or no mirror can be reached.
    """
    root = settings.get("data_root")
    folder = _find(Path(root)) if root else _cached(mirrors, cache)
    batches = []
    foreign = []
    for number, (name, md5) in enumerate(BATCHES.items()):
        progress(f"reading {name}", number / len(BATCHES))
        try:
            content = read_file(folder / name, _GREATEST)
        except OSError as error:
            raise PipelineError(f"{folder / name}: cannot be read: {error.strerror}") from None
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            if not root:
                raise PipelineError(f"{folder / name}: damaged; delete it to have it fetched again")
            foreign.append(name)
        batches.append(parse(content, folder / name))
    images, labels = (np.concatenate(parts) for parts in zip(*batches[:-1], strict=True))
    note = f"not the original pixels: {', '.join(foreign)} (md5)" if foreign else "original"
    return DataSet(images, labels, *batches[-1], note=note)


def parse(content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 32, 32, 3] and labels int64 [N] of a batch. PipelineError: it is none."""
    try:
        document = pickles.read(io.BytesIO(content), _OFFERED)
    except DamagedPickleError as error:
        raise PipelineError(f"{path}: {error}") from None
    except PickleError as error:
        raise PipelineError(f"{path}: refused: {error}; it is not a CIFAR-10 batch") from None
    found = document if isinstance(document, dict) else {}
    array, labels = found.get(b"data"), found.get(b"labels")
    data = array.values if isinstance(array, _Array) else None
    if (
        data is None
        or data.ndim != 2
        or data.shape[1] != 3 * 32 * 32
        or len(data) == 0
        or not isinstance(labels, list)
        or len(labels) != len(data)
        or not all(isinstance(label, int) and 0 <= label < 10 for label in labels)
    ):
        raise PipelineError(
            f"{path}: not a CIFAR-10 batch: wanted data, uint8 [N, 3072], and N labels of 0..9"
        )
    planes = data.reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.asarray(labels, np.int64)


class _Array(pickles.Built):
    """Stands for numpy.ndarray in a pickle: it is made empty, and its state is its content."""

    values: np.ndarray | None = None

    def build(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise PickleError("an array without its content")
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _Bytes) or not isinstance(content, bytes):
            raise PickleError("it wants an array of another kind")
        if not isinstance(shape, tuple) or not all(type(size) is int for size in shape):
            raise PickleError("an array without a shape")
        flat = np.frombuffer(content, np.uint8)
        self.values = flat.reshape(shape, order="F" if fortran is True else "C")


class _Bytes(pickles.Built):
    """Stands for numpy.dtype in a pickle: always uint8, so that its state says nothing more."""

    def build(self, state: object) -> None:
        pass


def _dtype(code: object, *_: object) -> _Bytes:
    if code not in (b"u1", "u1"):
        raise PickleError(f"it wants an array of {str(code)[:40]!r}")
    return _Bytes()


def _reconstruct(kind: object, *_: object) -> _Array:
    if kind is not _ndarray:
        raise PickleError("it wants an array of another kind")
    return _Array()


def _ndarray(*_: object) -> None:
    raise PickleError("it calls numpy.ndarray directly")


def _latin1(text: object, encoding: object) -> bytes:
    """Stands for _codecs.encode, with which Python 3 writes bytes in old pickle protocols."""
    if not isinstance(text, str) or encoding != "latin1":
        raise PickleError(f"it wants the codec {str(encoding)[:40]!r}")
    return text.encode("latin1")


_OFFERED = {
    "numpy ndarray": _ndarray,
    "numpy dtype": _dtype,
    "numpy.core.multiarray _reconstruct": _reconstruct,
    "numpy._core.multiarray _reconstruct": _reconstruct,
    "_codecs encode": _latin1,
}
"""The names that a pickled array of bytes needs, and what stands for them here."""


def _find(root: Path) -> Path:
    missing = ""
    for place in (root / below for below in _PLACES):
        absent = [name for name in BATCHES if not (place / name).is_file()]
        if not absent:
            return place
        if len(absent) < len(BATCHES):
            missing = f"\n{place} lacks {', '.join(absent)}"
    places = ", ".join(below or "." for below in _PLACES)
    raise PipelineError(
        f"data_root = {root}: no CIFAR-10 there; looked in {places} "
        f"for {', '.join(BATCHES)}.{missing}\n{_WAY_OUT}"
    )


def _cached(mirrors: tuple[str, ...], cache: Path | None) -> Path:
    """The folder of the batches in the user's cache. Missing batches are downloaded first."""
    home = cache or Path(platformdirs.user_cache_dir("qnn-to-fpga")) / "cifar10"
    folder = home / FOLDER
    if all((folder / name).is_file() for name in BATCHES):
        return folder
    archive = home / ARCHIVE
    reasons = []
    for mirror in mirrors:
        progress(f"downloading {ARCHIVE}")
        try:
            download(f"{mirror.rstrip('/')}/{ARCHIVE}", archive, _archive_fault)
            break
        except UnreachableError as error:
            reasons.append(str(error))
    else:
        told = "\n".join(reasons)
        raise PipelineError(f"CIFAR-10 could not be downloaded.\n{told}\n{_WAY_OUT}")
    folder.mkdir(exist_ok=True)
    with tarfile.open(archive) as packed:
        for name in BATCHES:
            member = packed.extractfile(f"{FOLDER}/{name}")
            assert member is not None, "the archive has the right checksum"
            partial = folder / f".{name}.partial"
            partial.write_bytes(member.read())
            partial.replace(folder / name)
    archive.unlink()
    return folder


def _archive_fault(path: Path) -> str | None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return None if found == ARCHIVE_MD5 else f"wrong content: md5 {found}, expected {ARCHIVE_MD5}"
