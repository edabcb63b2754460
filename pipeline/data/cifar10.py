"""CIFAR-10 from its python batches: the user's own, or the cache, filled by download."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from pipeline.data.arrays import DataSet
from pipeline.data.download import UnreachableError, download
from pipeline.errors import PipelineError
from pipeline.job import progress

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
IMAGES = 10_000
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
    """50,000 training and 10,000 test images of 32x32x3.

    A data_root that is set is all that is searched. Batches there whose pixels are not CIFAR-10's
    own (recompressed, a subset relabelled) are taken, and said to be so. PipelineError: batches
    missing, damaged or holding more than arrays; no mirror reachable.
    """
    root = settings.get("data_root")
    folder = _find(Path(root).expanduser()) if root else _cached(mirrors, cache)
    batches = []
    foreign = []
    for number, (name, md5) in enumerate(BATCHES.items()):
        progress(f"reading {name}", number / len(BATCHES))
        content = (folder / name).read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            foreign.append(name)
        batches.append(parse(content, folder / name))
    if foreign and not root:
        raise PipelineError(f"{folder}: damaged: {', '.join(foreign)}; delete the folder")
    images, labels = (np.concatenate(parts) for parts in zip(*batches[:-1], strict=True))
    note = f"not the original pixels: {', '.join(foreign)} (md5)" if foreign else "original"
    return DataSet(images, labels, *batches[-1], note=note)


def parse(content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 32, 32, 3] and labels int64 [N] of one batch. PipelineError: it is none."""
    try:
        document = _Arrays(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise PipelineError(f"{path}: refused: {error}; it is not a CIFAR-10 batch") from None
    except (EOFError, ValueError, LookupError, TypeError, AttributeError, ImportError) as error:
        raise PipelineError(f"{path}: damaged or truncated: {error}") from None
    data = document.get(b"data") if isinstance(document, dict) else None
    labels = document.get(b"labels") if isinstance(document, dict) else None
    if (
        not isinstance(data, np.ndarray)
        or data.dtype != np.uint8
        or data.ndim != 2
        or data.shape[1] != 3 * 32 * 32
        or not isinstance(labels, list)
        or len(labels) != len(data)
        or not all(isinstance(label, int) and 0 <= label < 10 for label in labels)
    ):
        raise PipelineError(
            f"{path}: not a CIFAR-10 batch: wanted data, uint8 [N, 3072], and N labels of 0..9"
        )
    planes = data.reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.asarray(labels, np.int64)


class _Arrays(pickle.Unpickler):
    """Only what a pickled array of numbers is made of: nothing a file could run."""

    _ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._ALLOWED:
            return self._ALLOWED[module, name]
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _empty
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        raise pickle.UnpicklingError(f"it wants {module}.{name}")


def _empty(kind: type, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    """What numpy's _reconstruct does for a plain array; its content follows as its state."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError("it wants an array of another kind")
    return np.ndarray(shape, np.dtype(code.decode()))


def _latin1(text: str, encoding: str) -> bytes:
    """Python 3 writes bytes so under the old protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it wants the codec {encoding}")
    return text.encode("latin1")


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
    """The folder of the batches in the user's cache; what is missing is downloaded."""
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
