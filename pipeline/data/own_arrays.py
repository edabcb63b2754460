"""The user's own arrays: data_root has data.npz with inputs and labels for training and test."""

from __future__ import annotations

import hashlib
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline.data.archives import ArchiveError, open_member, open_zip
from pipeline.data.arrays import DataSet
from pipeline.errors import PipelineError
from specs.data import DataSpec
from specs.paths import open_file, shown

FILE = "data.npz"
_FREE, _RATIO, _GREATEST = 1 << 28, 256, 1 << 33
"""Bytes that all arrays may take in memory: these always; so many for each byte of the file; and
the most in any case."""
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_MOST_AXES = 4
_TOLD = 20
_DAMAGED = (
    *(ValueError, EOFError, KeyError, RuntimeError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
"""What NumPy and zipfile raise for damaged members."""
LAYOUT = f"{FILE} (numpy.savez) with train_inputs, train_labels, test_inputs and test_labels"
_NAMES = ("train_inputs", "train_labels", "test_inputs", "test_labels")
_WANTED = "inputs are uint8 or int8, [N, F] or [N, H, W, C]; labels integers [N] from 0"


def load(settings: Mapping[str, Any], spec: DataSpec) -> DataSet:
    """Loads data.npz. PipelineError: it is missing, not an .npz, or its arrays are not allowed."""
    path = Path(settings["data_root"]) / FILE
    if not path.exists():
        raise PipelineError(f"{path}: no such file; wanted is {LAYOUT}; {_WANTED}")
    try:
        with open_file(path) as file:
            arrays = _arrays(file, path)
    except OSError as error:
        raise PipelineError(f"{path}: cannot be read: {error.strerror}") from None
    except (ArchiveError, *_DAMAGED) as error:
        raise PipelineError(f"{path}: no .npz of plain arrays: {error}") from None
    faults = []
    for side in ("train", "test"):
        labels = arrays[f"{side}_labels"]
        whole = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer) and labels.size
        if not whole or labels.min() < 0:
            faults.append(f"{side}_labels are {labels.dtype} {list(labels.shape)}")
        elif len(labels) != len(arrays[f"{side}_inputs"]):
            count = len(arrays[f"{side}_inputs"])
            faults.append(f"{count:,} {side}_inputs have {len(labels):,} {side}_labels")
    if faults:
        raise PipelineError(f"{path}: {'; '.join(faults)}; {_WANTED}")
    try:
        return DataSet(
            arrays["train_inputs"],
            arrays["train_labels"].astype(np.int64),
            arrays["test_inputs"],
            arrays["test_labels"].astype(np.int64),
            note="the user's own arrays",
        )
    except ValueError as error:
        raise PipelineError(f"{path}: {error}; {_WANTED}") from None


def _arrays(file: BinaryIO, path: Path) -> dict[str, np.ndarray]:
    """The four arrays. Each header is checked against the size of its data first."""
    length = os.fstat(file.fileno()).st_size
    archive = open_zip(file)
    there = [name.removesuffix(".npy") for name in archive.namelist()]
    if missing := [name for name in _NAMES if name not in there]:
        holds = ", ".join(shown(name[:40]) for name in there[:_TOLD]) or "nothing"
        raise PipelineError(f"{path}: holds {holds}, not {', '.join(missing)}")
    bearable = min(max(_FREE, _RATIO * length), _GREATEST)
    sizes = {name: archive.getinfo(f"{name}.npy").file_size for name in _NAMES}
    if (total := sum(sizes.values())) > bearable:
        raise ArchiveError(
            f"its arrays take {total:,} bytes, more than the {bearable:,} that a file of this "
            "size may take"
        )
    return {name: _array(archive, name, sizes[name]) for name in _NAMES}


def _array(archive: zipfile.ZipFile, name: str, size: int) -> np.ndarray:
    with open_member(archive, f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        header = _HEADERS.get(version)
        if header is None:
            raise ArchiveError(f"{name} is of the unknown version {version}")
        shape, fortran, dtype = header(member)
        if dtype.hasobject or dtype.kind not in "iufb":
            raise ArchiveError(f"{name} holds {str(dtype)[:40]}, not numbers")
        if len(shape) > _MOST_AXES or math.prod(shape) * dtype.itemsize != size - member.tell():
            claim = " x ".join(map(str, shape[:_MOST_AXES]))
            raise ArchiveError(f"{name} says that it is {dtype} [{claim}], but has another length")
        flat = np.frombuffer(member.read(), dtype)
        return flat.reshape(shape, order="F" if fortran else "C")


def fingerprint(root: Path) -> str:
    """A digest of the size and modification time of the file that `load` would read."""
    try:
        stat = (root / FILE).stat()
    except OSError:
        return "none"  # `load` will report it
    return hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()
