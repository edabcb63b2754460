"""Small batches in the place of CIFAR-10's."""

import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np

from pipeline.data import cifar10

IMAGES = 4
"""In each batch."""


def arrays(name: str) -> tuple[np.ndarray, list[int]]:
    """Data uint8 [4, 3072], planes of red, green and blue one behind the other, and labels."""
    number = list(cifar10.BATCHES).index(name)
    data = np.random.default_rng(number).integers(0, 256, (IMAGES, 3072), dtype=np.uint8)
    return data, [(number + image) % 10 for image in range(IMAGES)]


def batch(name: str) -> bytes:
    """As Python 3 writes it under protocol 2."""
    data, labels = arrays(name)
    document = {b"batch_label": name.encode(), b"labels": labels, b"data": data}
    return pickle.dumps(document, protocol=2)


def python2_batch(name: str) -> bytes:
    """As Python 2 wrote the original files: its strings are opcodes of their own."""
    data, labels = arrays(name)

    def text(content: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(content)) + content

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    array += number(0) + b"\x85" + text(b"b") + b"\x87R"
    kind = b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + b"\x87R"
    kind += b"(" + number(3) + text(b"|") + b"NNN" + 2 * number(-1) + number(0) + b"tb"
    shape = number(data.shape[0]) + number(data.shape[1]) + b"\x86"
    array += b"(" + number(1) + shape + kind + b"\x89" + text(data.tobytes()) + b"tb"
    listed = b"](" + b"".join(map(number, labels)) + b"e"
    pairs = text(b"data") + array + text(b"labels") + listed
    return b"\x80\x02}(" + pairs + b"u."


def batches() -> dict[str, bytes]:
    return {name: batch(name) for name in cifar10.BATCHES}


def write(folder: Path, content: dict[str, bytes] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in (content or batches()).items():
        (folder / name).write_bytes(raw)


def archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for name, raw in batches().items():
            member = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            member.size = len(raw)
            packed.addfile(member, io.BytesIO(raw))
    return file.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
