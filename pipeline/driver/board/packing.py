"""Packs integers into the beats of a stream, and back: whole arrays at once, with NumPy alone."""

from __future__ import annotations

import numpy as np

BLOCK = 1 << 17
"""Bytes of values that are packed at a time, so that the steps in between stay in the cache."""


def bits_of(dtype: str) -> int:
    """Bits of a value of a datatype: BIPOLAR (-1 and +1), UINT<n> or INT<n>."""
    return 1 if dtype == "BIPOLAR" else int(dtype.split("INT")[1])


def bytes_of_beat(dtype: str, lanes: int) -> int:
    return -(-bits_of(dtype) * lanes // 8)


def storage_of(dtype: str) -> np.dtype:
    """The narrowest NumPy type that holds every value of a datatype."""
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= bits_of(dtype))
    return np.dtype(f"{'u' if dtype.startswith('U') else 'i'}{size}")


def pack(values: np.ndarray, dtype: str, lanes: int, out: np.ndarray | None = None) -> np.ndarray:
    """The beats of integers of at most 8 bits: uint8 [beats, bytes of a beat].

    A beat has `lanes` neighbours of the last axis. Element 0 is in the least significant bits, and
    each beat is padded to whole bytes. out: the array of that shape to write to.
    """
    bits, size = bits_of(dtype), bytes_of_beat(dtype, lanes)
    if bits > 8 or values.dtype.kind not in "iu":
        raise TypeError(f"only integers of at most 8 bits are packed, not {values.dtype}, {dtype}")
    rows = values.reshape(-1, lanes)
    beats = result = np.empty((len(rows), size), np.uint8) if out is None else out
    if bits == 8:
        np.copyto(beats, rows, casting="unsafe")
        return result
    if lanes % 8 == 0:  # beats without padding: their borders do not matter
        rows, beats = rows.reshape(-1, 8), beats.reshape(-1, bits)
    step = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        if bits == 1:
            ones = rows[part] > 0 if dtype == "BIPOLAR" else rows[part] != 0
            ones = ones.reshape(1, -1) if lanes % 8 == 0 else ones
            beats[part] = np.packbits(ones, axis=1, bitorder="little").reshape(-1, beats.shape[1])
        else:
            _pack_words(rows[part], bits, beats[part])
    return result


def _pack_words(rows: np.ndarray, bits: int, beats: np.ndarray) -> None:
    """Packs as many values at once as a word has bytes: pairs of fields are joined step by step."""
    lanes, size = rows.shape[1], beats.shape[1]
    word = _bytes_of_word(lanes)
    padded = np.zeros((len(rows), -(-lanes // word) * word), np.uint8)
    np.copyto(padded[:, :lanes], rows, casting="unsafe")
    words = padded.view(f"<u{word}")
    words &= _fields(8, bits, word)
    for span, width in _joins(bits, word):
        odd = words >> words.dtype.type(span - width)
        odd &= _fields(2 * span, width, word) << words.dtype.type(width)
        words &= _fields(2 * span, width, word)
        words |= odd
    for k in range(min(size, bits if word == 8 else size)):
        part = beats[:, k :: bits if word == 8 else size]
        part[...] = padded[:, k::word][:, : part.shape[1]]


def unpack(beats: np.ndarray, dtype: str, lanes: int) -> np.ndarray:
    """The integers [beats, lanes] in beats, uint8 [beats, bytes of a beat]. Inverse of `pack`."""
    bits = bits_of(dtype)
    values = np.empty((len(beats), lanes), storage_of(dtype))
    if bits == 8:
        np.copyto(values.view(np.uint8), beats)
        return values
    step = max(1, BLOCK // (lanes * values.itemsize))
    for start in range(0, len(beats), step):
        part = slice(start, start + step)
        if bits == 1:
            codes = np.unpackbits(beats[part], axis=1, count=lanes, bitorder="little")
        elif bits < 8:
            codes = _unpack_words(beats[part], bits, lanes)
        else:
            codes = _unpack_wide(beats[part], bits, lanes)
        values[part] = _decoded(codes, dtype, values.dtype)
    return values


def _unpack_words(beats: np.ndarray, bits: int, lanes: int) -> np.ndarray:
    """The codes, uint8 [beats, lanes], by the steps of `_pack_words` backwards."""
    word, size = _bytes_of_word(lanes), beats.shape[1]
    padded = np.zeros((len(beats), -(-lanes // word) * word), np.uint8)
    for k in range(min(size, bits if word == 8 else size)):
        part = beats[:, k :: bits if word == 8 else size]
        padded[:, k::word][:, : part.shape[1]] = part
    words = padded.view(f"<u{word}")
    for span, width in reversed(_joins(bits, word)):
        odd = words << words.dtype.type(span - width)
        odd &= _fields(2 * span, width, word) << words.dtype.type(span)
        words &= _fields(2 * span, width, word)
        words |= odd
    return padded[:, :lanes]


def _unpack_wide(beats: np.ndarray, bits: int, lanes: int) -> np.ndarray:
    """The codes, uint64 [beats, lanes], of more than 8 bits each: lane by lane."""
    padded = np.zeros((len(beats), beats.shape[1] + 9), np.uint8)
    padded[:, : beats.shape[1]] = beats
    codes = np.empty((len(beats), lanes), np.uint64)
    for lane in range(lanes):
        first, shift = divmod(lane * bits, 8)
        window = np.ascontiguousarray(padded[:, first : first + 8]).view("<u8")[:, 0]
        codes[:, lane] = window >> np.uint64(shift)
        if shift + bits > 64:
            codes[:, lane] |= padded[:, first + 8].astype(np.uint64) << np.uint64(64 - shift)
    codes &= np.uint64((1 << bits) - 1)
    return codes


def _decoded(codes: np.ndarray, dtype: str, storage: np.dtype) -> np.ndarray:
    """The values of codes of fewer bits than `storage` has, or of as many."""
    if dtype.startswith("U"):
        return codes
    values = codes.astype(storage)
    if dtype == "BIPOLAR":
        return 2 * values - 1
    shift = storage.type(8 * storage.itemsize - bits_of(dtype))
    found: np.ndarray = (values << shift) >> shift
    return found


def _bytes_of_word(lanes: int) -> int:
    """1, 2, 4 or 8: the least that has a byte for each lane, or else 8."""
    return next(size for size in (1, 2, 4, 8) if size >= min(lanes, 8))


def _joins(bits: int, word: int) -> list[tuple[int, int]]:
    """For each step of packing: the distance of the fields that it joins, and their width."""
    return [(8 << k, bits << k) for k in range(3) if 1 << k < word]


def _fields(distance: int, width: int, word: int) -> np.ndarray:
    """A word with `width` ones in every `distance` bits."""
    ones = sum(((1 << width) - 1) << start for start in range(0, 8 * word, distance))
    return np.array(ones, f"<u{word}")
