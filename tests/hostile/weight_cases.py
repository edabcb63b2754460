"""Hostile files of weights. Each is a proper one with one change."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.models import build
from specs import catalog
from specs.network import NetworkSpec
from tests.hostile.file_case import Cases

MARK = "RAN"
"""A folder beside the file. It is made if code of the file is run."""
NAME = "features.2.weight"
COUNT = 64 * 784
"""Its values."""
TRACEBACK = "traceback"
cases = Cases()


def honest() -> dict[str, Tensor]:
    network = catalog.find(NetworkSpec, "network", "tfc_1w1a", Path())[1]
    torch.manual_seed(0)
    weights: dict[str, Tensor] = build(network.model, network.input).state_dict()
    assert weights[NAME].numel() == COUNT
    return weights


def _saved(folder: Path, change: Callable[[dict[str, Any]], None], **how: Any) -> Path:
    weights = honest()
    change(weights)
    torch.save(weights, folder / "weights.pth", **how)
    return folder / "weights.pth"


def _unchanged(weights: dict[str, Any]) -> None:
    pass


def _with(folder: Path, value: Any, name: str = NAME, **how: Any) -> Path:
    return _saved(folder, lambda weights: weights.update({name: value}), **how)


@cases("of another shape: features.2.weight (65536x65536", "asked for 16 GB of memory")
def zero_stride(folder: Path) -> Path:
    return _with(folder, torch.zeros(1).expand(1 << 16, 1 << 16))


@cases("unexpected: more", "asked for 16 GB of memory")
def zero_stride_under_another_name(folder: Path) -> Path:
    return _with(folder, torch.zeros(1).expand(1 << 16, 1 << 16), "more")


@cases("of another type: features.2.weight (complex64", "imaginary parts were silently lost")
def complex_values(folder: Path) -> Path:
    return _with(folder, torch.ones(64, 784, dtype=torch.complex64))


@cases("it holds a tensor without values (device meta)", TRACEBACK)
def meta(folder: Path) -> Path:
    return _with(folder, torch.empty(64, 784, device="meta"))


@cases("it holds a tensor of a rare type", TRACEBACK)
def quantised(folder: Path) -> Path:
    return _with(folder, torch.quantize_per_tensor(torch.ones(64, 784), 0.1, 0, torch.qint8))


@cases("it holds a sparse tensor", TRACEBACK)
def sparse(folder: Path) -> Path:
    return _with(folder, torch.ones(64, 784).to_sparse())


@cases("it holds a nested tensor", TRACEBACK)
def nested(folder: Path) -> Path:
    return _with(folder, torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]))


@cases("it holds a tensor of a rare type", TRACEBACK)
def float8(folder: Path) -> Path:
    return _with(folder, torch.ones(64, 784).to(torch.float8_e4m3fn))


@cases("unexpected: a\\x1b[2J", "the error moved the terminal's cursor")
def name_that_clears_the_screen(folder: Path) -> Path:
    return _with(folder, torch.ones(1), "a\x1b[2J")


@cases("damaged or truncated", "refused")
def legacy_file_cut(folder: Path) -> Path:
    path = _saved(folder, _unchanged, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-100_000])
    return path


@cases("a tensor has fewer values than it says", "refused")
def legacy_file_that_claims_8_GB(folder: Path) -> Path:  # noqa: N802
    path = _saved(folder, _unchanged, _use_new_zipfile_serialization=False)
    path.write_bytes(_claiming_more(path.read_bytes()))
    return path


def _claiming_more(content: bytes) -> bytes:
    """Raises the number of values in a pickle (protocol 2) to 2^31 - 1."""
    claim = b"M" + struct.pack("<H", COUNT)
    assert content.count(claim) == 1
    return content.replace(claim, b"J" + struct.pack("<i", 2**31 - 1))


def _zipped_anew(path: Path, change: Callable[[str, bytes], bytes], packing: int) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))
    return path


@cases("a tensor has fewer values than it says", "refused")
def member_shorter_than_its_tensor(folder: Path) -> Path:
    def change(name: str, content: bytes) -> bytes:
        return _claiming_more(content) if name.endswith("data.pkl") else content

    return _zipped_anew(_saved(folder, _unchanged), change, zipfile.ZIP_STORED)


@cases("its parts are compressed or overlap", "took 256 MB of memory")
def zip_bomb(folder: Path) -> Path:
    def change(name: str, content: bytes) -> bytes:
        return bytes(1 << 28) if name.endswith("data/0") else content

    return _zipped_anew(_saved(folder, _unchanged), change, zipfile.ZIP_DEFLATED)


@cases("its parts are compressed or overlap", "refused")
def members_that_share_their_bytes(folder: Path) -> Path:
    path = _saved(folder, _unchanged)
    with zipfile.ZipFile(path, "a") as archive:
        info = archive.getinfo(f"{path.stem}/data/1")
        for number in range(1000, 3000):
            copy = zipfile.ZipInfo(f"{path.stem}/data/{number}")
            for field in ("CRC", "compress_size", "file_size", "header_offset"):
                setattr(copy, field, getattr(info, field))
            archive.filelist.append(copy)
        archive.writestr("more", b"")  # else the list is not written again
    return path


class _Code:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@cases("it wants 'posix.mkdir'; only tensors are read", "refused")
def code_in_a_pickle(folder: Path) -> Path:
    return _with(folder, _Code(folder / MARK))


@cases("it wants 'posix.mkdir'; only tensors are read", "refused")
def code_in_the_arguments_beside_the_weights(folder: Path) -> Path:
    document = {"model": honest(), "args": argparse.Namespace(out=_Code(folder / MARK))}
    torch.save(document, folder / "weights.pth")
    return folder / "weights.pth"


@cases("it wants 'subprocess.Popen'; only tensors are read", "refused")
def code_as_a_new_object(folder: Path) -> Path:
    made = b"\x80\x02csubprocess\nPopen\n(X\x04\x00\x00\x00truet\x81."
    return _legacy(folder, made)


@cases("its parameters are not the network's", "refused")
def number_of_numpy_that_claims_gigabytes(folder: Path) -> Path:
    """A dtype of 2 GB for an item. Nothing is made of it."""
    start = b"\x80\x02cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n"
    kind = b"(X\x0b\x00\x00\x00S2147483647K\x00K\x01tRX\x01\x00\x00\x00atR0}."
    return _legacy(folder, start + kind + _NO_STORAGES)


@cases("a tuple is a key of a dictionary", "the process crashed")
def key_nested_deep(folder: Path) -> Path:
    return _legacy(folder, b"\x80\x02})" + b"\x85" * 900_000 + b"K\x01s.")


_NO_STORAGES = pickle.dumps([], protocol=2)
"""The list of storages that ends such a file."""


def _legacy(folder: Path, pickled: bytes) -> Path:
    """A file as torch wrote it before 2020, whose state dict is any pickle."""
    start = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    path = folder / "weights.pth"
    path.write_bytes(b"".join(pickle.dumps(value, protocol=2) for value in start) + pickled)
    return path


@cases("it holds more than tensors", TRACEBACK)
def legacy_file_damaged(folder: Path) -> Path:
    return _legacy(folder, b"\x80\x02K\x01Q.")


@cases("bytes, more than the", "took 1.4 GB of memory")
def longer_than_its_network_needs(folder: Path) -> Path:
    path = folder / "weights.pth"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    return path


def _safetensors(folder: Path, header: bytes | dict[str, Any], length: int | None = None) -> Path:
    if isinstance(header, dict):
        header = json.dumps(header).encode()
    size = len(header) if length is None else length
    path = folder / "weights.safetensors"
    path.write_bytes(size.to_bytes(8, "little") + header + bytes(64))
    return path


@cases("not a .safetensors file, or truncated", "refused")
def safetensors_header_of_2_to_the_63(folder: Path) -> Path:
    return _safetensors(folder, b"{}", 1 << 63)


@cases("its header has 8,388,608 bytes", "refused")
def safetensors_header_of_megabytes(folder: Path) -> Path:
    return _safetensors(folder, b"{}" + b" " * ((1 << 23) - 2))


@cases("its header is no JSON", "refused")
def safetensors_header_nested_deep(folder: Path) -> Path:
    return _safetensors(folder, b'{"a":' + b"[" * 100_000)


@cases("has not as many values as it says", "refused")
def safetensors_of_terabytes(folder: Path) -> Path:
    entry = {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 64]}
    return _safetensors(folder, {NAME: entry})


@cases("is of the type 'F8_E4M3'", TRACEBACK)
def safetensors_of_float8(folder: Path) -> Path:
    entry = {"dtype": "F8_E4M3", "shape": [64], "data_offsets": [0, 64]}
    return _safetensors(folder, {NAME: entry})
