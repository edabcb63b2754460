"""Which layer an instance of FINN's netlist belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.engines import rows
from pipeline.engines.utilisation import Utilisation
from pipeline.engines.vivado import reports
from pipeline.engines.vivado.reports import Figures
from pipeline.engines.vivado.rtl.instances import Instances
from pipeline.errors import PipelineError

PREFIX = "StreamingDataflowPartition_"
"""What FINN's Zynq build puts, with a number, before the names of its nodes."""


class FinnInstances(Instances):
    """The instances of FINN's nodes in its Zynq design.

    names: the layer of each node.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = dict(names)

    def node(self, path: str) -> str | None:
        """The outermost node that an instance is, or lies in."""
        for part in path.split("/"):
            bare = part
            if part.startswith(PREFIX):
                bare = part.removeprefix(PREFIX).partition("_")[2]
            if bare in self.names:
                return part
        return None

    def layer(self, path: str) -> str | None:
        node = self.node(path)
        if node is None:
            return None
        return self.names.get(node) or self.names[node.removeprefix(PREFIX).partition("_")[2]]

    def place(self, path: str) -> str:
        layer = self.layer(path)
        if layer is not None:
            return f"layer {layer}"
        if any(part.startswith(PREFIX) for part in path.split("/")):
            return "what FINN put between layers"
        return "FINN's shell"

    def resources(
        self, report: Path, figures: Figures
    ) -> tuple[dict[str, Utilisation], Utilisation]:
        """The rows by layer, for the shell and what is between, and the total."""
        found = reports.utilisation(report)
        table = dict.fromkeys(dict.fromkeys(self.names.values()), Utilisation())
        network = [path for path in found if _is_network(path)]
        if "" not in found or len(network) != 1:
            raise PipelineError(f"{report}: not FINN's Zynq design: {len(network)} networks in it")
        for path, row in found.items():
            layer = self.layer(path)
            if layer is not None and path.split("/")[-1] == self.node(path):
                table[layer] = _plus(table[layer], row)
        of_layers = dict(table)
        table[rows.SHELL] = rows.less(found[""], {"network": found[network[0]]})
        table[rows.BETWEEN] = rows.less(found[network[0]], of_layers)
        return table, found[""]


def _is_network(path: str) -> bool:
    """The partition between the two DMAs, as an instance of the block design."""
    parts = path.split("/")
    return len(parts) == 2 and parts[1].startswith(PREFIX)


def _plus(a: Utilisation, b: Utilisation) -> Utilisation:
    return Utilisation(a.lut + b.lut, a.ff + b.ff, a.bram36 + b.bram36, a.dsp + b.dsp)
