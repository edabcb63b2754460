"""The driver's packing gives the bytes of the RTL's streams and of FINN's packing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.driver.board import packing
from pipeline.hardware.datatypes import DataType
from pipeline.simulation import beats

NARROW = ("BIPOLAR", *(f"{kind}{bits}" for kind in ("UINT", "INT") for bits in range(1, 9)))
WIDE = tuple(f"{kind}{bits}" for kind in ("UINT", "INT") for bits in range(9, 65))


def drawn(dtype: str, rows: int, lanes: int, seed: int) -> np.ndarray:
    """Random values, the extremes among them."""
    kind, rng = DataType(dtype), np.random.default_rng(seed)
    if kind.bipolar:
        return rng.choice(np.array([-1, 1], np.int8), (rows, lanes))
    storage = packing.storage_of(dtype)
    values = rng.integers(kind.min, kind.max, (rows, lanes), storage, endpoint=True)
    values[0, 0], values[-1, -1] = kind.min, kind.max
    return values


@given(st.sampled_from(NARROW), st.integers(1, 40), st.integers(1, 70), st.integers(0, 99))
def test_it_packs_as_the_rtl_and_unpacks_again(
    dtype: str, rows: int, lanes: int, seed: int
) -> None:
    values = drawn(dtype, rows, lanes, seed)
    expected = beats.pack(values, DataType(dtype), lanes)
    packed = packing.pack(values, dtype, lanes)
    np.testing.assert_array_equal(packed, expected)
    unpacked = packing.unpack(packed, dtype, lanes)
    np.testing.assert_array_equal(unpacked, values)
    assert unpacked.dtype == packing.storage_of(dtype)


@given(st.sampled_from(WIDE), st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
def test_it_unpacks_wide_outputs(dtype: str, rows: int, lanes: int, seed: int) -> None:
    values = drawn(dtype, rows, lanes, seed)
    if dtype == "UINT64":
        values >>= np.uint64(1)  # beats.pack goes by int64
    packed = beats.pack(values, DataType(dtype), lanes)
    np.testing.assert_array_equal(packing.unpack(packed, dtype, lanes), values)


@pytest.mark.parametrize("dtype", [name for name in NARROW if name != "INT1"])  # FINN has none
@pytest.mark.parametrize("lanes", [1, 3, 8, 16, 49])
def test_it_packs_as_finn(dtype: str, lanes: int) -> None:
    from finn.util.data_packing import finnpy_to_packed_bytearray, packed_bytearray_to_finnpy
    from qonnx.core.datatype import DataType as FinnType

    name = {"UINT1": "BINARY"}.get(dtype, dtype)
    values = drawn(dtype, 20, lanes, 0)
    expected = finnpy_to_packed_bytearray(
        values.astype(np.float32), FinnType[name], reverse_inner=True, reverse_endian=True
    )
    np.testing.assert_array_equal(packing.pack(values, dtype, lanes), expected)
    back = packed_bytearray_to_finnpy(
        np.ascontiguousarray(expected), FinnType[name], (20, lanes), True, True
    )
    np.testing.assert_array_equal(packing.unpack(expected, dtype, lanes), back)


@pytest.mark.parametrize("dtype", ["BIPOLAR", "INT3", "UINT4", "INT8"])
def test_blocks_do_not_show(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = drawn(dtype, 1000, 49, 1)
    whole = packing.pack(values, dtype, 49)
    monkeypatch.setattr(packing, "BLOCK", 49 * 7)
    np.testing.assert_array_equal(packing.pack(values, dtype, 49), whole)
    np.testing.assert_array_equal(packing.unpack(whole, dtype, 49), values)


def test_it_writes_into_a_buffer_and_touches_nothing_else() -> None:
    values = drawn("INT4", 10, 5, 0)
    memory = np.full(40, 0xAA, np.uint8)
    packing.pack(values, "INT4", 5, memory[:30].reshape(10, 3))
    np.testing.assert_array_equal(memory[:30].reshape(10, 3), packing.pack(values, "INT4", 5))
    assert (memory[30:] == 0xAA).all()


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.zeros((2, 3), bool)])
def test_only_integers_are_packed(values: np.ndarray) -> None:
    with pytest.raises(TypeError, match="only integers of at most 8 bits"):
        packing.pack(values, "UINT8", 3)
