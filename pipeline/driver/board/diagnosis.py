"""What `diagnose` says, from two runs of the golden inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_SOUND = "The outputs of all golden inputs are right, twice."
_WITHOUT = (
    "This accelerator was built without signatures, so no layer can be named; build it with "
    "signatures=on to see each stream."
)
_UNKNOWN = "The outputs differ from the golden ones, the same in both runs."
_UNSTEADY = (
    "Two runs of the same inputs differ{}: the board is not deterministic. Look for an unstable "
    "clock or power supply, too fast a clock, or another program that uses the memory."
)
_INPUT = (
    "The input stream differs already when it enters the accelerator: what the DMA reads is not "
    "what was packed (a cache that was not flushed, or a wrong address), or the driver is not of "
    "this build."
)
_LAYER = (
    "The first stream that differs from the golden one is written by layer {} (stream {}), the "
    "same in both runs: this layer's logic or memory is wrong in the bitfile."
)
_OUTPUT = (
    "All streams are right, and the outputs in memory are not: look for the output DMA, a cache "
    "that was not invalidated, or a wrong address."
)


def verdict(streams: Sequence[Any], odd: Any, steady: bool, right: bool) -> str:
    """The verdict in words.

    streams: those with a signature. odd: the first of them that differs, between the two runs or,
    if these agree (steady), from the golden one. right: whether the outputs are the golden ones.
    """
    if not steady:
        named = "" if odd is None else f", first in stream {odd.edge} of layer {odd.layer}"
        return _UNSTEADY.format(named)
    if not streams:
        return f"{_SOUND if right else _UNKNOWN} {_WITHOUT}"
    if odd is not None:
        return _INPUT if odd is streams[0] else _LAYER.format(odd.layer, odd.edge)
    return _SOUND if right else _OUTPUT
