"""The software model of the signature register. Each design of tests/rtl compares it with RTL."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.rtl.shell.signatures import POLYNOMIAL, START, folded, signature, signatures

BEATS = st.tuples(st.integers(1, 40), st.integers(1, 20)).flatmap(
    lambda shape: arrays(np.uint8, shape)
)


def shifted_one_by_one(beats: np.ndarray) -> int:
    value = START
    for word in folded(beats):
        value = (value << 1 & 0xFFFFFFFF) ^ (POLYNOMIAL if value >> 31 else 0) ^ int(word)
    return value


@given(BEATS)
def test_it_is_the_register_shifted_beat_by_beat(beats: np.ndarray) -> None:
    assert signature(beats) == shifted_one_by_one(beats)


@given(BEATS, st.data())
def test_a_changed_bit_a_lost_beat_and_two_swapped_beats_show(
    beats: np.ndarray, data: st.DataObject
) -> None:
    row, column = (data.draw(st.integers(0, size - 1)) for size in beats.shape)
    changed = beats.copy()
    changed[row, column] ^= 1 << data.draw(st.integers(0, 7))
    assert signature(changed) != signature(beats)
    assert signature(beats[:-1]) != signature(beats)
    swapped = np.roll(beats, 1, axis=0)
    # not a law: 2**-32 of all pairs collide, and equal words of two beats cannot show
    if (folded(swapped) != folded(beats)).any():
        assert signature(swapped) != signature(beats)


@pytest.mark.parametrize("apart", [32, 64, 96])
def test_swapped_lanes_at_a_distance_of_words_show(apart: int) -> None:
    bits = np.zeros((1, 256), np.uint8)
    bits[0, 5] = 1
    swapped = np.roll(bits, apart, axis=1)
    one, other = (np.packbits(part, axis=1, bitorder="little") for part in (bits, swapped))
    assert signature(one) != signature(other)


def test_many_images_at_once_are_each_a_batch_of_its_own() -> None:
    beats = np.random.default_rng(0).integers(0, 256, (9, 33, 5), np.uint8)
    assert signatures(beats).tolist() == [signature(image) for image in beats]
