"""Compares packing and unpacking of the driver with FINN+'s and with upstream FINN's.

    .venv/bin/python benchmarks/packing_speed.py            # half a minute
    .venv/bin/python benchmarks/packing_speed.py --quick    # a few images

Images of 16 x 49 values are packed into a buffer, and unpacked from it, by one thread. FINN+ is
`finnpy_to_packed_bytearray` and `packed_bytearray_to_finnpy` of the installed finn-plus, called as
its driver calls them. FINN is the way of upstream FINN's driver: hex strings, of which finn-plus
still has the functions. The peers get the same narrow integers. Seconds are the best of several
runs; `equal` says whether all bytes, and all unpacked values, are the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from finn.util import data_packing
from qonnx.core.datatype import DataType as FinnType

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import table
from pipeline.driver.board.packing import bytes_of_beat, pack, storage_of, unpack
from pipeline.hardware.datatypes import DataType

ROWS, LANES = 16, 49
"""An image is ROWS beats of LANES values: 784 pixels."""
DTYPES = ("UINT8", "BIPOLAR", "INT2", "INT3", "INT4")
REPEATS = 5


def drawn(dtype: str, count: int) -> np.ndarray:
    """Random values [count, ROWS, LANES] in the narrowest type that holds them."""
    kind, rng = DataType(dtype), np.random.default_rng(0)
    shape = (count, ROWS, LANES)
    if kind.bipolar:
        return rng.choice(np.array([-1, 1], np.int8), shape)
    return rng.integers(kind.min, kind.max + 1, shape).astype(storage_of(dtype))


def finn_plus(values: np.ndarray, dtype: str, buffer: np.ndarray) -> None:
    packed = data_packing.finnpy_to_packed_bytearray(
        values, FinnType[dtype], reverse_endian=True, reverse_inner=True
    )
    np.copyto(buffer, packed.reshape(buffer.shape))


def finn_plus_unpacked(buffer: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    found: np.ndarray = data_packing.packed_bytearray_to_finnpy(
        buffer, FinnType[dtype], shape, reverse_inner=True, reverse_endian=True
    )
    return found


def upstream(values: np.ndarray, dtype: str, buffer: np.ndarray) -> None:
    bits = 8 * bytes_of_beat(dtype, LANES)
    texts = data_packing.pack_innermost_dim_as_hex_string(
        values, FinnType[dtype], bits, reverse_inner=True
    )
    for row, text in zip(buffer, texts.reshape(-1), strict=True):
        row[:] = np.flip(data_packing.hexstring2npbytearray(text))


def best(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure(dtype: str, count: int, few: int) -> tuple[object, ...]:
    values = drawn(dtype, count)
    shape = (count * ROWS, bytes_of_beat(dtype, LANES))
    ours, theirs = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    hexed = np.zeros((few * ROWS, shape[1]), np.uint8)
    speed = [
        count / best(lambda: pack(values, dtype, LANES, ours), REPEATS),
        count / best(lambda: finn_plus(values, dtype, theirs), 3),
        few / best(lambda: upstream(values[:few], dtype, hexed), 1),
    ]
    unpacked = unpack(ours, dtype, LANES)
    back = finn_plus_unpacked(theirs, dtype, (count * ROWS, LANES))
    speed += [
        count / best(lambda: unpack(ours, dtype, LANES), REPEATS),
        count / best(lambda: finn_plus_unpacked(theirs, dtype, (count * ROWS, LANES)), 3),
    ]
    same = (
        np.array_equal(ours, theirs)
        and np.array_equal(ours[: len(hexed)], hexed)
        and np.array_equal(unpacked, back)
        and np.array_equal(unpacked, values.reshape(-1, LANES))
    )
    return (
        dtype, *speed[:3], f"{speed[0] / speed[1]:.1f}x", *speed[3:], f"{speed[3] / speed[4]:.1f}x",
        "yes" if same else "NO",
    )  # fmt: skip


def main() -> None:
    count, few = (200, 2) if table.options(__doc__).quick else (20_000, 20)
    columns = ("datatype", "pack, images/s", "FINN+", "FINN", "against FINN+", "unpack, images/s",
               "FINN+", "against FINN+", "equal")  # fmt: skip
    rows = [measure(dtype, count, few) for dtype in DTYPES]
    table.show(f"Packing of {ROWS} x {LANES} values (measured)", columns, rows)


if __name__ == "__main__":
    main()
