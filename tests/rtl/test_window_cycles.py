"""The cycles of a sliding window: bounds that hold for every size, and the published one."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.rtl.windows import LEAST_BLOCK_WORDS, swg_cycles, swg_depth

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
