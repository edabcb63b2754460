"""Small IDX files in the place of MNIST's."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np

from pipeline.data.download import Source

NAMES = ("train-images", "train-labels", "t10k-images", "t10k-labels")


def raw_files() -> dict[str, bytes]:
    """Raw IDX content by name: 6 training and 3 test images of 4x5."""
    rng = np.random.default_rng(1)
    arrays = [
        rng.integers(0, 256, (6, 4, 5)),
        np.arange(6) % 3,
        rng.integers(0, 256, (3, 4, 5)),
        np.arange(3),
    ]
    return {name: _idx(array.astype(np.uint8)) for name, array in zip(NAMES, arrays, strict=True)}


def sources() -> tuple[Source, ...]:
    return tuple(Source(name, hashlib.sha256(raw).hexdigest()) for name, raw in raw_files().items())


def write(folder: Path, *, packed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in raw_files().items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / name).write_bytes(raw)


def _idx(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()
