"""Which layer an instance of the netlist belongs to, and the resources by layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.engines import rows
from pipeline.engines.utilisation import Utilisation
from pipeline.engines.vivado import reports
from pipeline.engines.vivado.reports import Figures
from pipeline.engines.vivado.rtl.plans import NETWORK
from pipeline.engines.vivado.rtl.top import PROCESSOR
from pipeline.errors import PipelineError
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.accelerator import Names
from pipeline.rtl.shell.top import TOP as SHELL

BLOCK_DESIGN = "block design"
"""The row of what joins processor and shell: reset and interconnect."""


class Instances:
    """The instances of a network's layers in the whole design."""

    def __init__(self, graph: HardwareGraph) -> None:
        names = Names(graph)
        self.layers = {f"{NETWORK}/{name}": layer for layer, name in names.layers.items()}
        self._edges = {
            f"{NETWORK}/{name}{part}": edge
            for edge, name in names.edges.items()
            for part in ("_dwc", "_fifo", "_signature")
        }

    def layer(self, path: str) -> str | None:
        """The layer whose instance `path` is, or lies in; None for any other."""
        return self.layers.get("/".join(path.split("/")[:3]))

    def place(self, path: str) -> str:
        """What a pin or cell belongs to, in a user's words."""
        first = "/".join(path.split("/")[:3])
        if first in self.layers:
            return f"layer {self.layers[first]}"
        if first in self._edges:
            return f"stream {self._edges[first]}"
        top = {SHELL: "the shell", PROCESSOR: "the block design"}
        return top.get(path.split("/", maxsplit=1)[0], "the top module")

    def resources(
        self, report: Path, figures: Figures
    ) -> tuple[dict[str, Utilisation], Utilisation]:
        """The rows by layer, for the shell, the block design and what is between, and the total.

        A layer that the report lacks was dissolved, and has a row of zeros.
        """
        found = reports.utilisation(report)
        missing = {"", SHELL, NETWORK, PROCESSOR} - set(found)
        if missing:
            raise PipelineError(
                f"{report}: no instance {', '.join(sorted(missing))!r}; the report is of another "
                "design, or of another version of this pipeline"
            )
        below: dict[str, dict[str, int]] = {}
        for instance, cells in figures.cells.items():
            parts = instance.split("/")
            for path in {"", *("/".join(parts[:k]) for k in range(1, len(parts) + 1))}:
                counts = below.setdefault(path, {})
                for type_, count in cells.items():
                    counts[type_] = counts.get(type_, 0) + count
        of = {path: reports.with_cells(row, below.get(path, {})) for path, row in found.items()}
        table = {layer: of.get(path, Utilisation()) for path, layer in self.layers.items()}
        table[rows.SHELL] = rows.less(of[SHELL], {"network": of[NETWORK]})
        table[BLOCK_DESIGN] = of[PROCESSOR]
        table[rows.BETWEEN] = rows.less(of[""], table)
        return table, of[""]

    def slowest(self, figures: Figures) -> Mapping[str, float]:
        """By layer, the least slack in ns among the listed paths that end in it."""
        found: dict[str, float] = {}
        for path in figures.setup:
            layer = self.layer(path.end)
            if layer is not None:
                found[layer] = min(path.slack, found.get(layer, path.slack))
        return found
