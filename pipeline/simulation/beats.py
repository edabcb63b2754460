"""Converts between arrays of logical values and the beats of a stream."""

from __future__ import annotations

import numpy as np

from pipeline.hardware.datatypes import DataType

_BLOCK = 1 << 14
"""Beats unpacked at a time; meanwhile each of their bits takes 8 bytes."""


def pack(values: np.ndarray, dtype: DataType, lanes: int) -> np.ndarray:
    """Packs integer `values` into beats: uint8 [beats, bytes of a beat].

    The last axis of `values` has the channels. Element 0 is in the least significant bits, bytes
    ascend, and each beat is padded to whole bytes.
    """
    codes = dtype.encode(values).reshape(-1, lanes)
    if dtype.bits == 8:
        return codes.astype(np.uint8)
    bits = (codes[..., None] >> np.arange(dtype.bits, dtype=np.uint64)) & np.uint64(1)
    flat = bits.astype(np.uint8).reshape(len(codes), lanes * dtype.bits)
    return np.packbits(flat, axis=1, bitorder="little")


def unpack(beats: np.ndarray, dtype: DataType, lanes: int) -> np.ndarray:
    """The logical values [beats, lanes] of beats, in the type's `storage`. Inverse of `pack`."""
    values = np.empty((len(beats), lanes), dtype.storage)
    for start in range(0, len(beats), _BLOCK):
        part = beats[start : start + _BLOCK]
        flat = np.unpackbits(part, axis=1, bitorder="little", count=lanes * dtype.bits)
        bits = flat.reshape(len(part), lanes, dtype.bits).astype(np.uint64)
        codes = (bits << np.arange(dtype.bits, dtype=np.uint64)).sum(axis=2, dtype=np.uint64)
        values[start : start + _BLOCK] = dtype.decode(codes)
    return values


def beat_bytes(dtype: DataType, lanes: int) -> int:
    return -(-dtype.bits * lanes // 8)
