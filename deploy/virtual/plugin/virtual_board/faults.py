"""Puts the faults of a virtual board's hardware into its simulated shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SLAVE_ERROR, DECODE_ERROR = 2, 3


def apply(shell: Any, faults: Mapping[str, str]) -> None:
    if side := faults.get("dma-hang"):
        shell.stop_answering(side)
    if which := faults.get("bus-error"):
        side, _, kind = which.partition("-")
        shell.answer_wrongly(side, SLAVE_ERROR if kind == "slave" else DECODE_ERROR)
    if flip := faults.get("bit-flip"):
        edge, first, chance = [*flip.split(":"), "0", "1"][:3] if ":" in flip else [flip, "0", "1"]
        shell.flip(edge, first=int(first), chance=float(chance))
