"""Sliding windows: the depth of their memory of pixels, and the cycles that they take."""

from __future__ import annotations

from functools import cache

Pair = tuple[int, int]

WINDOWS = 32
"""Whole windows that can wait for their consumer: as many as the smallest LUT RAM holds."""
LEAST_BLOCK_WORDS = 512
"""Words of a RAMB18 at its widest. A shallower memory would cost as much."""


@cache
def swg_depth(size: Pair, kernel: Pair, stride: Pair, folds: int, *, block: bool) -> int:
    """Words of the ring buffer in swg.v, a power of two.

    It has room for a window's span and for what the next window needs. size: height and width of
    the input. folds: beats per pixel. In block RAM the ring has all the words of the smallest
    memory.
    """
    span = ((kernel[0] - 1) * size[1] + kernel[1]) * folds
    wanted = span + stride[1] * folds
    depth = max(2, 1 << (wanted - 1).bit_length())
    return max(depth, LEAST_BLOCK_WORDS) if block else depth


@cache
def swg_cycles(size: Pair, kernel: Pair, stride: Pair, folds: int, *, block: bool) -> int:
    """Cycles per image of swg.v in the long run, if it gets a beat per cycle and never waits.

    A window begins when all of it has arrived. It is read in KH * KW * folds cycles, while the ring
    fills up. How long it waits at the end of a row or an image depends on the room in the ring.
    """
    height, width = size
    line = width * folds
    rows, columns = ((a - b) // c + 1 for a, b, c in zip(size, kernel, stride, strict=True))
    span = (kernel[0] - 1) * line + kernel[1] * folds
    read = kernel[0] * kernel[1] * folds
    depth = swg_depth(size, kernel, stride, folds, block=block)
    across = stride[1] * folds
    down = stride[0] * line - (columns - 1) * across
    on = height * line - (rows - 1) * stride[0] * line - (columns - 1) * across
    # ahead: words written beyond the window, as in swg.v
    ahead, cycles, before = 0, 0, 0
    for _ in range(3):  # it repeats from the second image on
        before = cycles
        for row in range(rows):
            for freed in (across,) * (columns - 1) + (down if row < rows - 1 else on,):
                ahead = min(ahead + read, depth - span) - freed
                wait = max(0, -ahead)
                ahead += wait
                cycles += read + wait
    return cycles - before
