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


READ_LUTS = 11
"""LUTs with which a signature is read: its share of the multiplexer, measured with 20 of them."""


def signature_luts(width: int) -> int:
    """Estimated LUTs of the signature of a stream with beats of `width` bits.

    Synthesised: 14 LUTs for the polynomial, and one for each further position up to 32; wider than
    128 bits, another for each four bits or so (128: 32, 256: 80, 576: 173).
    """
    narrow = 14 + round(18 * min(width, 32) / 32)
    return READ_LUTS + narrow + (round(0.31 * (width - 128)) if width > 128 else 0)
