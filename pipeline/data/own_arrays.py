"""A user's own arrays: data_root holds data.npz with the inputs and labels of both sides."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.arrays import DataSet
from pipeline.errors import PipelineError
from specs.data import DataSpec

FILE = "data.npz"
LAYOUT = f"{FILE} (numpy.savez) with train_inputs, train_labels, test_inputs and test_labels"
_NAMES = ("train_inputs", "train_labels", "test_inputs", "test_labels")
_WANTED = "inputs are uint8 or int8 [N, F], or uint8 [N, H, W, C]; labels integers [N] from 0"


def load(settings: Mapping[str, Any], spec: DataSpec) -> DataSet:
    """The arrays of data.npz. PipelineError: it is not there, no such file, or not as wanted."""
    path = Path(settings["data_root"]).expanduser() / FILE
    if not path.is_file():
        raise PipelineError(f"{path}: no such file; wanted is {LAYOUT}; {_WANTED}")
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in _NAMES if name not in file.files]
            if missing:
                there = ", ".join(file.files) or "nothing"
                raise PipelineError(f"{path}: holds {there}, not {', '.join(missing)}")
            arrays = {name: file[name] for name in _NAMES}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
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


def fingerprint(root: Path) -> str:
    """Digest of the size and modification time of the file that `load` would read."""
    try:
        stat = (root / FILE).stat()
    except OSError:
        return "none"  # `load` will tell
    return hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()
