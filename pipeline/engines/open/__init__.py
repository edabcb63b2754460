"""The engine `open`: our RTL, a cost model fitted to Yosys, and synthesis with Yosys."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from pipeline.engines import Synthesised
from pipeline.engines.open import costs, layers, shell, synthesis
from pipeline.engines.space import Space
from pipeline.engines.utilisation import Utilisation
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Job
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

    def synthesise(self, job: Job, graph: HardwareGraph, folding: Folding) -> Synthesised:
        return layers.synthesise(self, job, graph, folding)

    def recipe(self, design: Design, family: str) -> Any:
        """A JSON value of everything that decides the result of `run`, but the files."""
        return [
            importlib.metadata.version("pyosys"),
            synthesis.commands(design.sources, design.top, family, "layer"),
        ]

    def run(
        self, design: Design, family: str, prefix: Path, log: Path
    ) -> tuple[Utilisation, float | None]:
        """Writes `prefix`.v (the netlist), .json (Yosys' counts) and .sta (Yosys' timing).

        Returns the resources, and the longest delay in ns from register to register, of the cells
        alone; None if there is no such path.
        """
        found = synthesis.synthesise(design.sources, design.top, family, design.folder, prefix, log)
        return found, synthesis.longest_path(prefix.with_suffix(".sta"))


ENGINE = OpenEngine()
