"""Synthesises the AXI shell alone, for each family and memory port, and records what it takes.

    python benchmarks/shell_costs.py            # about five minutes on one core
    python benchmarks/shell_costs.py --quick    # one shell, and nothing is written

Writes pipeline/engines/open/shell.json, from which the folding takes the shell's share of the
board: of each family and width of the port the shell that takes most. Its kind is *synthesised*.
The peer is the aim of the design: 1,200 LUT, 0 DSP, 2 BRAM36.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.engines.open.shell import MEASURED
from pipeline.engines.open.synthesis import FAMILIES, longest_path, synthesise
from pipeline.engines.utilisation import Utilisation
from pipeline.rtl.shell.generate import ADDRESS_BITS, write_alone
from pipeline.rtl.shell.top import TOP, Beats, Parameters

INPUTS = (Beats(8, 784), Beats(24, 1024), Beats(56, 112), Beats(64, 98), Beats(128, 49))
"""Beats of one pixel, of CNV's three channels, and of as much as a port takes."""
OUTPUTS = (Beats(4, 1), Beats(16, 10), Beats(48, 5))
"""Labels, logits, and logits of several lanes."""
AIM = 1200


def shells(family: str, port_bits: int) -> Iterator[Parameters]:
    for source in INPUTS:
        for sink in OUTPUTS:
            if source.width <= port_bits and sink.width <= port_bits:
                yield Parameters(port_bits, ADDRESS_BITS[family], source, sink)


def measure(family: str, parameters: Parameters) -> tuple[Utilisation, float | None]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sources = write_alone(parameters, folder)
        found = synthesise(sources, TOP, family, folder, folder / "out", folder / "log")
        return found, longest_path(folder / "out.sta")


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    document: dict[str, dict[str, dict[str, int | float]]] = {}
    print(f"{'family':<10} {'port':>4} {'in':>3} {'out':>3} {'LUT':>6} {'FF':>6} {'BRAM36':>6} "
          f"{'DSP':>4} {'longest cell path':>18}")  # fmt: skip
    for family in FAMILIES:
        for port_bits in (32, 64, 128):
            found = []
            for parameters in shells(family, port_bits):
                used, path = measure(family, parameters)
                found.append(used)
                ends = f"{parameters.input.bytes:>3} {parameters.output.bytes:>3}"
                counts = f"{used.lut:>6,} {used.ff:>6,} {used.bram36:>6g} {used.dsp:>4}"
                print(
                    f"{family:<10} {port_bits:>4} {ends} {counts} {path or 0:>15.2f} ns", flush=True
                )
                if quick:
                    return
            most = max(found, key=lambda used: used.lut)
            document.setdefault(family, {})[str(port_bits)] = most.document()
    MEASURED.write_text(json.dumps(document, indent=1) + "\n")
    worst = max(entry["lut"] for family in document.values() for entry in family.values())
    print(f"most: {worst:,} LUT; the design allows {AIM:,}")


if __name__ == "__main__":
    main()
