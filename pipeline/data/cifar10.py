"""CIFAR-10 from its python batches: the user's own, or the cache, filled by download."""

from __future__ import annotations

import hashlib
import io
import pickle
import pickletools
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
_NOT_LOADABLE = (
    *(EOFError, ValueError, LookupError, TypeError, AttributeError),
    *(ImportError, ArithmeticError, MemoryError),
)
"""What pickle raises on damaged files, beside its own UnpicklingError."""
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
        try:
            content = (folder / name).read_bytes()
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
    """Images uint8 [N, 32, 32, 3] and labels int64 [N] of one batch. PipelineError: it is none."""
    try:
        _refuse_great_claims(content)
        document = _Batch(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise PipelineError(f"{path}: refused: {error}; it is not a CIFAR-10 batch") from None
    except _NOT_LOADABLE as error:
        raise PipelineError(
            f"{path}: damaged or truncated: {str(error) or 'it is too big'}"
        ) from None
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


def _refuse_great_claims(content: bytes) -> None:
    """Ends what would take memory by the number that a file tells instead of by what it holds.

    ValueError: something is longer than the file, or no pickle.
    """
    for number, (opcode, value, _) in enumerate(pickletools.genops(content)):
        # pickle numbers what it remembers one by one, and reserves as many places
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(value or 0) > number:
            raise pickle.UnpicklingError(f"it wants to remember {value} things")


class _Batch(pickle.Unpickler):
    """Only what a pickled array of bytes is made of, by stand-ins that call nothing of a file's.

    numpy's own restoring trusts what it is told: a harmful or only damaged file could crash it.
    """

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _reconstruct
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        raise pickle.UnpicklingError(f"it wants {f'{module}.{name}'!r}")


class _Array:
    """In place of numpy.ndarray."""

    values: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _Bytes) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("it wants an array of another kind")
        flat = np.frombuffer(content, np.uint8)
        self.values = flat.reshape(shape, order="F" if fortran else "C")


class _Bytes:
    """In place of numpy.dtype: uint8 alone, whose state tells nothing more."""

    def __init__(self, code: object, *_: object) -> None:
        if code not in (b"u1", "u1"):
            raise pickle.UnpicklingError(f"it wants an array of {code!r}")

    def __setstate__(self, state: object) -> None:
        pass


def _reconstruct(kind: type, *_: object) -> _Array:
    """An array that is still empty; its content follows as its state."""
    if kind is not _Array:
        raise pickle.UnpicklingError("it wants an array of another kind")
    return _Array()


def _latin1(text: str, encoding: str) -> bytes:
    """Python 3 writes bytes so under the old protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it wants the codec {encoding!r}")
    return text.encode("latin1")


_STAND_INS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Bytes,
    ("_codecs", "encode"): _latin1,
}


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
