"""The positions that a pruned layer keeps of a window or an image, as an ascending tuple."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import gcd


def check_kept(kept: tuple[int, ...], elements: int) -> Iterator[str]:
    """Yields what is wrong with positions that are kept of `elements`."""
    if not kept:
        yield "keeps no position"
    elif any(a >= b for a, b in pairwise(kept)):
        yield "the kept positions do not ascend"
    elif kept[0] < 0 or kept[-1] >= elements:
        yield f"keeps positions {kept[0]}..{kept[-1]} of 0..{elements - 1}"


def kept_block(kept: tuple[int, ...] | None, channels: int) -> int:
    """The greatest divisor of `channels` for whose aligned blocks `kept` has all or none of each.

    So a beat of p elements is kept or dropped as a whole if p divides this number.
    """
    if kept is None:
        return channels
    block = channels
    for before, after in pairwise(kept):
        if after != before + 1:  # a run of positions ends and another one begins
            block = gcd(block, before + 1, after)
    return gcd(block, kept[0], kept[-1] + 1)


def kept_words(kept: tuple[int, ...], lanes: int) -> tuple[int, ...]:
    """The kept words of `lanes` elements each, which `kept` has all or none of."""
    return tuple(position // lanes for position in kept[::lanes])
