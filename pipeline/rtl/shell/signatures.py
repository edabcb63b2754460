"""What the signature registers hold: the model of library/signature.v, for golden values."""

from __future__ import annotations

import numpy as np

POLYNOMIAL = 0x04C11DB7
"""Of CRC-32 (IEEE 802.3), in the order of a register that shifts to the left."""
START = 0xFFFFFFFF
_TURN = 7
"""By how many positions more each further word of a beat is turned, as in signature.v."""


def signature(beats: np.ndarray) -> int:
    """The signature of a stream after all these beats, uint8 [beats, bytes of a beat].

    The bits of a beat beyond the stream's width must be 0, as `simulation.beats.pack` makes them.
    """
    return int(_states(folded(beats)[None])[0])


def signatures(beats: np.ndarray) -> np.ndarray:
    """The signatures of batches of one image each, uint32 [N]; beats: uint8 [N, beats, bytes]."""
    images, count, width = beats.shape
    return _states(folded(beats.reshape(-1, width)).reshape(images, count))


def folded(beats: np.ndarray) -> np.ndarray:
    """The 32 bits that each beat adds to the register: uint32 [beats]."""
    count, width = beats.shape
    words = np.zeros((count, -(-width // 4) * 4), np.uint8)
    words[:, :width] = beats
    found = np.zeros(count, np.uint32)
    for k, word in enumerate(words.view("<u4").T):
        turn = np.uint32(_TURN * k % 32)
        found ^= (word << turn) | (word >> np.uint32(32 - turn) if turn else np.uint32(0))
    return found


def _states(added: np.ndarray) -> np.ndarray:
    """The registers after all beats, uint32 [N]; added: uint32 [N, beats].

    The register is linear: halves of a sequence are computed side by side and then joined, so a
    sequence of n beats takes log2(n) steps of numpy rather than n.
    """
    images, count = added.shape
    size = 1 << max(0, count - 1).bit_length()
    values = np.zeros((images, size), np.uint32)
    values[:, size - count :] = added  # leading zeros leave the register at 0
    shift = _power_of_shift(1)
    while values.shape[1] > 1:
        values = _times(shift, values[:, 0::2]) ^ values[:, 1::2]
        shift = _times(shift, shift)
    start = np.full(images, START, np.uint32)
    found: np.ndarray = values[:, 0] ^ _times(_power_of_shift(count), start)
    return found


def _power_of_shift(steps: int) -> np.ndarray:
    """Column k: what bit k of the register becomes after so many beats of zeros."""
    column = np.uint32(1) << np.arange(32, dtype=np.uint32)
    one = (column << np.uint32(1)) ^ np.where(column >> np.uint32(31), POLYNOMIAL, 0)
    result, square = column, one.astype(np.uint32)
    while steps:
        if steps & 1:
            result = _times(square, result)
        square = _times(square, square)
        steps >>= 1
    return result


def _times(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The matrix over GF(2), by its 32 columns, times each value. Four tables of a byte each."""
    tables = np.zeros((4, 256), np.uint32)
    for byte in range(4):
        for bit in range(8):
            step = 1 << bit
            tables[byte, step : 2 * step] = tables[byte, :step] ^ matrix[8 * byte + bit]
    found = np.zeros(values.shape, np.uint32)
    for byte in range(4):
        found ^= tables[byte][(values >> np.uint32(8 * byte)) & np.uint32(0xFF)]
    return found
