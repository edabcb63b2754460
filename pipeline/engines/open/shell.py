"""What the AXI shell and the signatures take with the engine `open`.

benchmarks/shell_costs.py synthesises them and writes shell.json: of each family and width of the
memory port the shell that takes most, over the widths of a beat that it was built for.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from pipeline.engines.utilisation import Utilisation

MEASURED = Path(__file__).with_name("shell.json")


@cache
def _measured() -> dict[str, dict[str, dict[str, int | float]]]:
    document: dict[str, dict[str, dict[str, int | float]]] = json.loads(MEASURED.read_text())
    return document


def shell(family: str, port_bits: int) -> Utilisation:
    """The resources of the shell without signatures, synthesised."""
    return Utilisation(**_measured()[family][str(port_bits)])  # type: ignore[arg-type]


READ_LUTS = 17
"""LUTs with which a signature is read: its share of the multiplexer, measured with 20 of them."""


def signature_luts(width: int) -> int:
    """Estimated LUTs of the signature of a stream with beats of `width` bits.

    Synthesised: 14 LUTs for the polynomial, and one for each further position up to 32. A LUT adds
    four bits of a beat to a position, so beats of more than 128 bits take 0.3 LUT for each bit
    (144 bits: 40, 216: 64, 256: 80, 576: 173).
    """
    if width > 128:
        return READ_LUTS + round(0.3 * width)
    return READ_LUTS + 14 + round(18 * min(width, 32) / 32)
