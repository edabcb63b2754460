"""Sliding windows: what they read and store, and the cycles that they take."""

from __future__ import annotations

from functools import cache

Pair = tuple[int, int]
Kept = tuple[int, ...] | None
"""What is kept of a window, ascending; None: all of it."""

WINDOWS = 32
"""Whole windows that can wait for their consumer: as many as the smallest LUT RAM holds."""
LEAST_BLOCK_WORDS = 512
"""Words of a RAMB18 at its widest. A shallower memory would cost as much."""


@cache
def words_read(width: int, kernel: Pair, folds: int, kept: Kept = None) -> tuple[int, ...]:
    """The words of a window that swg.v reads, in this order.

    They are counted from the window's first word on, along rows of `width` pixels of `folds` words.
    kept: the same words, counted within the window.
    """
    part = kernel[1] * folds
    inside = range(kernel[0] * part) if kept is None else kept
    return tuple(word // part * width * folds + word % part for word in inside)


@cache
def swg_depth(
    size: Pair, kernel: Pair, stride: Pair, folds: int, *, block: bool, kept: Kept = None
) -> int:
    """Words of the ring buffer in swg.v, a power of two.

    It has room for the span of what is read of a window, and for what the next window needs. size:
    height and width of the input. folds: beats per pixel. kept: words of a window. In block RAM the
    ring has all the words of the smallest memory.
    """
    read = words_read(size[1], kernel, folds, kept)
    wanted = read[-1] - read[0] + 1 + stride[1] * folds
    depth = max(2, 1 << (wanted - 1).bit_length())
    return max(depth, LEAST_BLOCK_WORDS) if block else depth


@cache
def swg_cycles(
    size: Pair, kernel: Pair, stride: Pair, folds: int, *, block: bool, kept: Kept = None
) -> int:
    """Cycles per image of swg.v in the long run, if it gets a beat per cycle and never waits.

    A window begins when all that is read of it has arrived. Each word that it reads takes a cycle,
    while the ring fills up. How long it waits at the end of a row or an image depends on the room
    in the ring.
    """
    height, width = size
    line = width * folds
    rows, columns = ((a - b) // c + 1 for a, b, c in zip(size, kernel, stride, strict=True))
    words = words_read(width, kernel, folds, kept)
    span, read = words[-1] - words[0] + 1, len(words)
    depth = swg_depth(size, kernel, stride, folds, block=block, kept=kept)
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


def stored_elements(kernel: Pair, channels: int, kept: Kept) -> tuple[int, ...]:
    """The elements of the rows above a pixel that parallel_window.v stores, row by row.

    An element moves up a row at a time, so it is stored from the lowest row that gives it out on.
    """
    above = (kernel[0] - 1) * channels
    if kept is None:
        return tuple(range(above))
    part = kernel[1] * channels
    highest = {}
    for position in reversed(kept):
        highest[position % channels] = position // part
    return tuple(e for e in range(above) if highest.get(e % channels, kernel[0]) <= e // channels)
