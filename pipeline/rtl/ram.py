"""The cost of memories in LUTs and block RAM, computed from their sizes."""

from __future__ import annotations

from math import ceil

RAMB18_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Depths and widths of a RAMB18 (UG473). Two of them make a RAMB36 of twice the width or depth."""
LUTS_OF_A_BRAM18 = 190
"""The price of a RAMB18 in LUTs, where a layer chooses between the two: a Pynq-Z1 has as many LUTs
for each RAMB18."""


def ramb18s(words: int, bits: int) -> int:
    """RAMB18s of a memory: the fewest of one shape that cover its words and bits."""
    return min(ceil(words / deep) * ceil(bits / wide) for deep, wide in RAMB18_SHAPES)


def rom_luts(words: int, bits: int) -> float:
    """LUTs of a ROM: a LUT6 has 64 words of one bit; deeper ROMs need multiplexers."""
    if words <= 1:
        return 0.0
    if words <= 64:
        return bits * min(1.0, words / 32)
    return bits * (words / 64) * 4 / 3


def lut_ram_luts(width: int, words: int) -> int:
    """LUTs of a dual-port LUT RAM on 7-series: RAM32M, RAM32X1D, RAM64M, RAM64X1D, RAM128X1D."""
    if words <= 32:
        return min(2 * width, 4 * -(-width // 6))
    if words <= 64:
        return min(2 * width, 4 * -(-width // 3))
    return 4 * width * -(-words // 128)


def in_block_ram(depth: int, width: int) -> bool:
    """Whether block RAM is cheaper than LUT RAM for a FIFO of `depth` beats of `width` bits."""
    words = max(2, 1 << (depth - 1).bit_length())
    return lut_ram_luts(width, words) > LUTS_OF_A_BRAM18 * ramb18s(words, width)


def search_levels(steps: int) -> int:
    """Levels of a binary search among `steps` thresholds: the bits of a number from 0 to steps."""
    return steps.bit_length()


def block_level(folds: int, bits: int, steps: int) -> int:
    """The first level of a binary search whose memory is in block RAM.

    The memory of a level has folds x 2**level words of `bits` bits. From this level on, a RAMB18 at
    its price is cheaper than LUTs. The result is search_levels(steps) if that holds for none.
    """
    for level in range(search_levels(steps)):
        words = folds << level
        if rom_luts(words, bits) > LUTS_OF_A_BRAM18 * ramb18s(words, bits):
            return level
    return search_levels(steps)
