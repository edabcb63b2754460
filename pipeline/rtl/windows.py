"""Sliding windows: the depth of their ring of pixels, and the cycles that they take."""

from __future__ import annotations

from functools import cache

Pair = tuple[int, int]

WINDOWS = 32
"""Whole windows that wait for their consumer: as many as the smallest LUT RAM takes anyway."""
LEAST_BLOCK_WORDS = 512
"""A RAMB18 has as many words at its widest: fewer would cost the same."""


@cache
def swg_depth(size: Pair, kernel: Pair, stride: Pair, folds: int, *, block: bool) -> int:
    """Words of the ring in swg.v, a power of two: a window's span, and room for the next window.

    size: height and width of the input; folds: beats of a pixel. In block RAM all that the
    smallest one holds.
    """
    span = ((kernel[0] - 1) * size[1] + kernel[1]) * folds
    wanted = span + stride[1] * folds
    depth = max(2, 1 << (wanted - 1).bit_length())
    return max(depth, LEAST_BLOCK_WORDS) if block else depth


@cache
def swg_cycles(size: Pair, kernel: Pair, stride: Pair, folds: int, *, block: bool) -> int:
    """Cycles an image occupies swg.v in the long run, fed a beat a cycle and never held up.

    A window is read in KH * KW * folds cycles, while the ring fills up; it begins when all of it is
    there. What it waits for at the end of a row and of an image depends on the room in the ring.
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
