"""Reads the descriptions of the tensors in a file of weights. No tensor is built yet.

A file of the user's is never read by torch or safetensors. Names, shapes and types are compared
with the network first. Then only the network's tensors are built, from bytes that are there.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.data import archives, pickles
from pipeline.data.archives import ArchiveError
from pipeline.data.pickles import PickleError
from pipeline.errors import PipelineError
from specs.paths import shown

_HEADER = 1 << 22
"""The most bytes of a .safetensors' header or of a torch file's list of tensors. This is enough for
thousands of tensors."""
_SAFE_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}
_STORAGES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
}
_TYPES = (
    *("float64", "float32", "float16", "bfloat16", "complex64", "complex128", "bool"),
    *("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
)
"""The types that a pickle may name. Tensors have only few of them."""
_RARE = "a tensor of a rare type, such as quantised or float8"
_SAVE = (
    "only tensors are read, all else could be code; save the state dict alone: "
    "torch.save(model.state_dict(), PATH), or a .safetensors"
)
_TOO_FEW = "damaged or truncated: a tensor has fewer values than it says"
ENTRIES = ("state_dict", "model_state_dict", "model", "net", "network", "module")
"""The entries of a checkpoint that may be the state dict; the first that is one is taken."""
_TOLD, _LONGEST = 20, 60
"""How many keys an error names, and how many characters of each."""
_DEEPEST = 3
"""How deep the state dict may lie in a checkpoint."""
_MOST_AXES = 16
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001


@dataclass(frozen=True)
class Stored(pickles.Built):
    """A tensor as a file describes it: a view of `values`, which are somewhere in the file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    """The position of its first element, counted in elements."""
    values: Callable[[], bytes]

    def tensor(self) -> Tensor:
        """Builds the tensor, contiguous. ArchiveError: its part of the file is damaged."""
        if 0 in self.shape:
            return torch.empty(self.shape, dtype=self.dtype)
        flat = torch.frombuffer(bytearray(self.values()), dtype=self.dtype)
        view = flat.as_strided(self.shape, self.stride, self.offset)
        return view.clone(memory_format=torch.contiguous_format)

    def build(self, state: object) -> None:
        """Ignores the state of a parameter: it only has attributes, which no network needs."""


class _Beside(pickles.Built):
    """Stands for what often lies beside a state dict: numbers of NumPy, paths, arguments.

    It keeps nothing, and nothing of it is made or called.
    """

    def __init__(self, *_: Any) -> None:
        pass

    def build(self, state: object) -> None:
        """Ignores the state."""


@dataclass(frozen=True)
class Weights:
    """The tensors of a file by name, and the entry of the checkpoint that held them ("": none)."""

    tensors: dict[str, Stored]
    entry: str = ""


class _Refused(Exception):
    """The file is not allowed; the text is the reason."""


def read(path: Path, content: bytes) -> Weights:
    """The state dict in the bytes of a .safetensors or torch file.

    In a trainer's checkpoint it is one of ENTRIES. PipelineError: the file is damaged, has more
    than tensors and plain values, or holds no state dict.
    """
    try:
        if path.suffix == ".safetensors":
            return Weights(_safetensors(content))
        zipped = content.startswith(b"PK")
        found = _zipped(content) if zipped else _legacy(content)
    except (_Refused, PickleError, ArchiveError) as error:
        raise PipelineError(f"{path}: refused: {error}; {_SAVE}") from None
    entries: list[str] = []
    while isinstance(found, dict) and not _all_tensors(found) and len(entries) < _DEEPEST:
        inner = [name for name in ENTRIES if isinstance(found.get(name), dict)]
        if not inner:
            break
        entries.append(next((name for name in inner if _all_tensors(found[name])), inner[0]))
        found = found[entries[-1]]
    entry = ".".join(entries)
    if not _all_tensors(found):
        raise PipelineError(f"{path}: not a state dict: {_what(found, entry)}")
    return Weights(found, entry)


def _all_tensors(found: Any) -> bool:
    return isinstance(found, dict) and all(
        isinstance(name, str) and isinstance(value, Stored) for name, value in found.items()
    )


def _what(found: Any, entry: str) -> str:
    """What a file holds in place of names and tensors, and what is wanted."""
    wanted = "parameters' names and their tensors, alone or as an entry " + ", ".join(ENTRIES)
    if not isinstance(found, dict):
        return f"wanted are {wanted}"
    held = [
        f"{shown(str(name)[:_LONGEST])} ({_kind(value)})"
        for name, value in [*found.items()][:_TOLD]
    ]
    more = ", ..." if len(found) > _TOLD else ""
    where = f"its entry {entry}" if entry else "it"
    return f"{where} holds {', '.join(held) or 'nothing'}{more}; wanted are {wanted}"


def _kind(value: Any) -> str:
    kinds: tuple[tuple[Any, str], ...] = (
        *((Stored, "a tensor"), (dict, "a table"), (list, "a list"), (str, "a text")),
        ((int, float), "a number"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "no tensor")


# ---- .safetensors: the length of the header, the header as JSON, the values


def _safetensors(content: bytes) -> dict[str, Stored]:
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise _Refused("not a .safetensors file, or truncated")
    if length > _HEADER:
        raise _Refused(f"its header has {length:,} bytes, more than {_HEADER:,}")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError):
        raise _Refused("not a .safetensors file: its header is no JSON") from None
    if not isinstance(header, dict):
        raise _Refused("not a .safetensors file: its header is no table")
    header.pop("__metadata__", None)
    start = 8 + length
    return {name: _entry(name, entry, content, start) for name, entry in header.items()}


def _entry(name: str, entry: Any, content: bytes, start: int) -> Stored:
    try:
        kind, shape = entry["dtype"], tuple(entry["shape"])
        if len(shape) > _MOST_AXES:
            raise ValueError
        first, last = (start + _count(value) for value in entry["data_offsets"])
    except (TypeError, KeyError, ValueError):
        raise _Refused(f"damaged: it does not describe {name[:100]!r}") from None
    if not isinstance(kind, str) or kind not in _SAFE_TYPES:
        raise _Refused(f"{name[:100]!r} is of the type {str(kind)[:20]!r}")
    dtype = _SAFE_TYPES[kind]
    size = math.prod(map(_count, shape)) * dtype.itemsize
    if last - first != size or last > len(content):
        raise _Refused(f"damaged or truncated: {name[:100]!r} has not as many values as it says")
    stride = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return Stored(dtype, shape, stride, 0, lambda: content[first:last])


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise _Refused(f"damaged: {str(value)[:40]!r} is no size")
    return value


# ---- torch: a pickle whose tensors are views of storages, which follow it or are beside it


@dataclass(frozen=True)
class _Storage:
    dtype: torch.dtype
    count: int
    key: str
    values: Callable[[], bytes]

    def require(self, size: int) -> None:
        """Refuses the file if the storage needs more than `size` bytes."""
        if self.count * self.dtype.itemsize > size:
            raise _Refused(_TOO_FEW)


def _zipped(content: bytes) -> Any:
    """Reads torch's present format: a zip file with data.pkl and a member for each storage."""
    archive = archives.open_zip(io.BytesIO(content))
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    packed = any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist())
    if packed or sum(info.file_size for info in archive.infolist()) > len(content):
        raise _Refused("its parts are compressed or overlap, which torch never writes")
    lists = [name for name in sizes if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(lists) != 1:
        raise _Refused("not a file of torch: it has no data.pkl")
    if sizes[lists[0]] > _HEADER:
        raise _Refused(f"its list of tensors has more than {_HEADER:,} bytes")
    folder = lists[0].removesuffix("data.pkl")

    def member(name: str) -> bytes:
        return archives.read_member(archive, f"{folder}{name}")

    if f"{folder}byteorder" in sizes and member("byteorder") != b"little":
        raise _Refused("its bytes are in the order of another processor")

    def persistent(saved: Any) -> _Storage:
        storage = _storage(saved, lambda key: member(f"data/{key}"))
        storage.require(sizes.get(f"{folder}data/{storage.key}", -1))
        return storage

    return pickles.read(io.BytesIO(member("data.pkl")), _OFFERED, persistent)


def _legacy(content: bytes) -> Any:
    """Reads torch's format before 2020: several pickles, then each storage with its length."""
    file = io.BytesIO(content)
    if pickles.read(file, {}) != _LEGACY_MAGIC or pickles.read(file, {}) != _LEGACY_PROTOCOL:
        raise _Refused("not a file of torch")
    system = pickles.read(file, {})
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _Refused("its bytes are in the order of another processor")
    places: dict[str, tuple[int, int]] = {}
    storages = []

    def values(key: str) -> bytes:
        return content[slice(*places[key])]

    def persistent(saved: Any) -> _Storage:
        storages.append(_storage(saved, values))
        return storages[-1]

    found = pickles.read(file, _OFFERED, persistent)
    keys = pickles.read(file, {})
    kinds = {storage.key: storage.dtype for storage in storages}
    for key in keys if isinstance(keys, list) else []:
        if key not in kinds:
            raise _Refused("damaged: values of no tensor")
        start = file.tell() + 8
        end = start + int.from_bytes(file.read(8), "little") * kinds[key].itemsize
        if end > len(content):
            raise _Refused(_TOO_FEW)
        places[key] = (start, end)
        file.seek(end)
    for storage in storages:
        start, end = places.get(storage.key, (0, -1))
        storage.require(end - start)
    return found


def _storage(saved: Any, values: Callable[[str], bytes]) -> _Storage:
    """The storage that a pickle describes by ("storage", type, key, location, count, view)."""
    if not isinstance(saved, tuple) or len(saved) not in (5, 6) or saved[0] != "storage":
        raise _Refused("it holds more than tensors")
    _, dtype, key, _, count, *view = saved
    if dtype is None:
        raise _Refused(f"it holds {_RARE}")
    if not isinstance(dtype, torch.dtype) or not isinstance(key, str) or view not in ([], [None]):
        raise _Refused("damaged: a tensor's values are not described")
    return _Storage(dtype, _count(count), key, lambda: values(key))


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Stored:
    """Stands for torch._utils._rebuild_tensor and _rebuild_tensor_v2 in a pickle."""
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple | list):
        raise _Refused("damaged: a tensor without values")
    if not isinstance(stride, tuple | list) or not len(stride) == len(shape) <= _MOST_AXES:
        raise _Refused("damaged: a tensor without strides")
    sizes, steps, first = tuple(map(_count, shape)), tuple(map(_count, stride)), _count(offset)
    last = first + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if 0 not in sizes and last >= storage.count:
        raise _Refused(_TOO_FEW)
    return Stored(storage.dtype, sizes, steps, first, storage.values)


def _parameter(data: Any, *_: Any) -> Stored:
    if not isinstance(data, Stored):
        raise _Refused("damaged: a parameter without values")
    return data


def _ordered(pairs: Any = ()) -> dict[str, Any]:
    if not all(isinstance(pair, list | tuple) and isinstance(pair[0], str) for pair in pairs):
        raise _Refused("a name is no text")
    return dict(pairs)


def _no(what: str) -> Callable[..., Any]:
    def refuse(*_: Any) -> Any:
        raise _Refused(f"it holds {what}")

    return refuse


_OFFERED: Mapping[str, Any] = {
    "collections OrderedDict": _ordered,
    "torch Size": tuple,
    "torch device": lambda *_: None,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_tensor_v3": _no(_RARE),
    "torch._utils _rebuild_parameter": _parameter,
    "torch._utils _rebuild_parameter_with_state": _parameter,
    "torch._utils _rebuild_qtensor": _no(_RARE),
    "torch._utils _rebuild_sparse_tensor": _no("a sparse tensor; make it dense"),
    "torch._utils _rebuild_nested_tensor": _no("a nested tensor"),
    "torch._utils _rebuild_meta_tensor_no_storage": _no("a tensor without values (device meta)"),
    **{f"torch {name}Storage": dtype for name, dtype in _STORAGES.items()},
    **{f"torch {name}Storage": None for name in ("QInt8", "QUInt8", "QInt32", "Untyped")},
    "torch.storage UntypedStorage": None,
    "torch.serialization _get_layout": lambda *_: None,
    "torch per_tensor_affine": None,
    "argparse Namespace": _Beside,
    **dict.fromkeys(("pathlib PosixPath", "pathlib WindowsPath", "pathlib PurePosixPath"), _Beside),
    **{
        f"numpy.{core}.multiarray {name}": _Beside
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    },
    **dict.fromkeys(("numpy dtype", "numpy ndarray", "_codecs encode"), _Beside),
    **{f"torch {name}": None for name in _TYPES},
}
"""The names that a state dict or a checkpoint may need, and what stands for them here."""
