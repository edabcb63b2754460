"""Fuzzing: each of our parsers reads a randomly changed file, or refuses it with a clear error.

The suite tries some hundred changes. To try more by hand:
PIPELINE_FUZZ=100000 .venv/bin/pytest tests/hostile/test_parsers_fuzz.py
"""

from __future__ import annotations

import io
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.data import cifar10, idx, own_arrays
from pipeline.data.archives import ArchiveError
from pipeline.errors import PipelineError
from pipeline.training import weight_files
from specs import catalog
from specs.base import read
from specs.data import DataSpec
from specs.network import NetworkSpec
from specs.paths import shown
from tests.data import cifar_batches
from tests.hostile.data_cases import ARRAYS

EXAMPLES = int(os.environ.get("PIPELINE_FUZZ", "200"))
fuzzed = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WEIGHTS = {
    "a.weight": torch.arange(12, dtype=torch.float32).view(3, 4),
    "b": torch.nn.Parameter(torch.ones(2, dtype=torch.float16)),
    "c.num_batches_tracked": torch.tensor(7),
}
INTEGERS = (0, 1, 2, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)


def changed(data: bytes, chance: random.Random) -> bytes:
    """`data` with a few bytes, numbers or pieces changed."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(6):
            case 0:
                out[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                out[at : at + 4] = struct.pack("<I", chance.choice(INTEGERS) % 2**32)
            case 2:
                out[at : at + 8] = struct.pack("<Q", chance.choice(INTEGERS))
            case 3:
                del out[at : at + chance.randint(1, 40)]
            case 4:
                out[at:at] = out[at : at + chance.randint(1, 40)]
            case 5:
                digits = str(chance.choice(INTEGERS)).encode()
                out[at : at + chance.randint(0, 3)] = digits
    return bytes(out)


def require_read_or_told(parse: Callable[[], object], path: Path) -> None:
    try:
        parse()
    except PipelineError as error:
        told = str(error)
        assert told.startswith(str(path)), told
        assert all(shown(line) == line for line in told.split("\n"))
        assert len(told.splitlines()) <= 21


def torch_file(*, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(WEIGHTS, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def build_all(path: Path, content: bytes) -> None:
    for stored in weight_files.read(path, content).tensors.values():
        if np.prod(stored.shape, dtype=object) <= 1 << 16:  # as a network's own shape is
            try:
                stored.tensor()
            except ArchiveError as error:
                raise PipelineError(f"{path}: {error}") from None


HONEST = {
    "zip.pt": torch_file(zipped=True),
    "legacy.pt": torch_file(zipped=False),
    "a.safetensors": safetensors.torch.save(
        {name: value.detach().clone() for name, value in WEIGHTS.items()}
    ),
}


@pytest.mark.parametrize("name", HONEST)
@fuzzed
@given(chance=st.randoms(use_true_random=False))
def test_weights(name: str, chance: random.Random) -> None:
    path = Path(name)
    require_read_or_told(lambda: build_all(path, changed(HONEST[name], chance)), path)


@fuzzed
@given(chance=st.randoms(use_true_random=False))
def test_cifar_batches(chance: random.Random) -> None:
    make = chance.choice([cifar_batches.batch, cifar_batches.python2_batch])
    content, path = changed(make("data_batch_1"), chance), Path("data_batch_1")
    require_read_or_told(lambda: cifar10.parse(content, path), path)


@fuzzed
@given(chance=st.randoms(use_true_random=False))
def test_idx(chance: random.Random) -> None:
    honest = bytes((0, 0, 8, 3)) + struct.pack(">3I", 2, 3, 4) + bytes(24)
    path = Path("train-images")
    require_read_or_told(lambda: idx.parse(changed(honest, chance), path), path)


@fuzzed
@given(chance=st.randoms(use_true_random=False))
def test_own_arrays(tmp_path: Path, chance: random.Random) -> None:
    file = io.BytesIO()
    save = chance.choice([np.savez, np.savez_compressed])
    save(file, **ARRAYS)  # type: ignore[arg-type]
    path = tmp_path / own_arrays.FILE
    path.write_bytes(changed(file.getvalue(), chance))
    require_read_or_told(lambda: own_arrays.load({"data_root": str(tmp_path)}, DataSpec()), path)


@fuzzed
@given(chance=st.randoms(use_true_random=False))
def test_toml(tmp_path: Path, chance: random.Random) -> None:
    shipped = catalog._FOLDERS[NetworkSpec]
    names = sorted(shipped.glob("*.toml"))
    path = tmp_path / "net.toml"
    path.write_bytes(changed(chance.choice(names).read_bytes(), chance))
    require_read_or_told(lambda: read(NetworkSpec, path), path)
