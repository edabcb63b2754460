"""The cycles of a sliding window: bounds that hold for every size, and the published one."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.hardware.layers import kept_block, kept_words
from pipeline.rtl.windows import (
    LEAST_BLOCK_WORDS,
    stored_elements,
    swg_cycles,
    swg_depth,
    words_read,
)

PAIRS = st.tuples(st.integers(1, 5), st.integers(1, 5))
SIZES = st.tuples(st.integers(5, 20), st.integers(5, 20))


@given(SIZES, PAIRS, PAIRS, st.integers(1, 8), st.booleans())
def test_no_faster_than_reading_and_writing(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    folds: int,
    block: bool,
) -> None:
    rows, columns = ((a - b) // c + 1 for a, b, c in zip(size, kernel, stride, strict=True))
    read = rows * columns * kernel[0] * kernel[1] * folds
    written = size[0] * size[1] * folds
    cycles = swg_cycles(size, kernel, stride, folds, block=block)
    assert max(read, written) <= cycles <= read + written


@given(SIZES, PAIRS, PAIRS, st.integers(1, 8))
def test_the_ring_holds_a_window_and_the_next_one_s_pixels(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], folds: int
) -> None:
    span = ((kernel[0] - 1) * size[1] + kernel[1]) * folds
    depth = swg_depth(size, kernel, stride, folds, block=False)
    assert span + stride[1] * folds <= depth < 2 * (span + stride[1] * folds) + 2
    assert depth & (depth - 1) == 0
    assert swg_depth(size, kernel, stride, folds, block=True) >= max(depth, LEAST_BLOCK_WORDS)


def test_a_ring_with_room_for_the_next_image_waits_for_nothing() -> None:
    # CNV's second convolution: 784 windows of 9 pixels of 2 beats
    assert swg_cycles((30, 30), (3, 3), (1, 1), 2, block=True) == 784 * 9 * 2
    assert swg_cycles((30, 30), (3, 3), (1, 1), 2, block=False) > 784 * 9 * 2


@given(SIZES, PAIRS, PAIRS, st.integers(1, 4), st.booleans(), st.data())
def test_fewer_words_never_take_longer(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    folds: int,
    block: bool,
    data: st.DataObject,
) -> None:
    rows, columns = ((a - b) // c + 1 for a, b, c in zip(size, kernel, stride, strict=True))
    words = st.integers(0, kernel[0] * kernel[1] * folds - 1)
    kept = tuple(sorted(data.draw(st.sets(words, min_size=1))))
    read = words_read(size[1], kernel, folds, kept)
    assert len(set(read)) == len(kept)
    assert set(read) <= set(words_read(size[1], kernel, folds))
    cycles = swg_cycles(size, kernel, stride, folds, block=block, kept=kept)
    written = size[0] * size[1] * folds
    assert max(rows * columns * len(kept), written) <= cycles
    assert cycles <= rows * columns * len(kept) + written
    depth = swg_depth(size, kernel, stride, folds, block=block, kept=kept)
    assert read[-1] - read[0] < depth <= swg_depth(size, kernel, stride, folds, block=block)


def test_all_words_kept_are_as_none_left_out() -> None:
    everything = tuple(range(3 * 2 * 4))
    for block in (False, True):
        sizes = ((9, 7), (3, 2), (1, 2), 4)
        assert swg_cycles(*sizes, block=block, kept=everything) == swg_cycles(*sizes, block=block)
        assert swg_depth(*sizes, block=block, kept=everything) == swg_depth(*sizes, block=block)


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_a_block_is_kept_or_dropped_as_a_whole(block: int, count: int, data: st.DataObject) -> None:
    channels = block * count
    blocks = data.draw(st.sets(st.integers(0, 4 * count - 1), min_size=1))
    kept = tuple(block * b + k for b in sorted(blocks) for k in range(block))
    found = kept_block(kept, channels)
    assert found % block == 0
    for lanes in range(1, channels + 1):
        words = {position // lanes for position in kept}
        whole = channels % lanes == 0 and len(words) * lanes == len(kept)
        assert whole == (found % lanes == 0), lanes
    assert kept_words(kept, found) == tuple(sorted({position // found for position in kept}))


def test_an_element_is_stored_from_the_lowest_row_that_gives_it() -> None:
    """Of a window of 3 x 2 pixels with 2 channels: what is above the pixel that arrives."""
    assert stored_elements((3, 2), 2, None) == (0, 1, 2, 3)
    assert stored_elements((3, 2), 2, (11,)) == ()
    assert stored_elements((3, 2), 2, (5, 8)) == (3,)
    assert stored_elements((3, 2), 2, (2, 11)) == (0, 2)
