"""The engine `open`: our RTL, a cost model fitted to Yosys, and synthesis with Yosys."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from pipeline.engines import Engine, Synthesised
from pipeline.engines.open import costs, shell, synthesis
from pipeline.engines.space import Space
from pipeline.engines.utilisation import Utilisation
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl import folds
from pipeline.rtl.design import Design


class OpenEngine:
    """The engine that needs no vendor tool. See `Engine`."""

    deepest_fifo = 2048

    def space(self, graph: HardwareGraph, *, signatures: bool) -> Space:
        return costs.space(graph, signatures=signatures)

    def shell(self, family: str, port_bits: int) -> Utilisation:
        return shell.shell(family, port_bits)

    def check_folding(self, graph: HardwareGraph, folding: Folding) -> None:
        folds.check_folding(graph, folding)

    def fifo_depths(self, most: int) -> list[int]:
        """Powers of two: a depth between two of them costs as much as the greater one."""
        return [1 << k for k in range((most - 1).bit_length())]

    def recipe(self, design: Design, family: str) -> Any:
        return [
            importlib.metadata.version("pyosys"),
            synthesis.commands(design.sources, design.top, family, "layer"),
        ]

    def synthesise(self, design: Design, family: str, prefix: Path, log: Path) -> Synthesised:
        """Writes `prefix`.v (the netlist), .json (Yosys' counts) and .sta (Yosys' timing)."""
        found = synthesis.synthesise(design.sources, design.top, family, design.folder, prefix, log)
        return Synthesised(found, synthesis.longest_path(prefix.with_suffix(".sta")))


ENGINE: Engine = OpenEngine()
