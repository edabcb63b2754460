"""Finds in Vivado's report by instance which layer takes most of a resource."""

from __future__ import annotations

import re
from collections.abc import Callable

Names = Callable[[str], str | None]
"""From an instance's path in the netlist to the layer that it belongs to."""

_COLUMNS = (
    (("Distributed RAM", "LUT as Memory", "LUTRAM"), {"LUTRAMs": 1.0}),
    (("LUT",), {"Total LUTs": 1.0}),
    (("RAMB", "Block RAM"), {"RAMB36": 1.0, "RAMB18": 0.5}),
    (("URAM",), {"URAM": 1.0}),
    (("DSP",), {"DSP Blocks": 1.0, "DSP48 Blocks": 1.0}),
    (("Register", "FF", "Flip"), {"FFs": 1.0}),
)
"""What a resource is called in messages, and the columns of the report that count it."""
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Hierarchy:
    """Collects the rows of `report_utilization -hierarchical` out of the lines of logs.

    Its rows are indented by their depth: the path of an instance is that of the rows above it.
    """

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._rows: list[tuple[str, dict[str, float]]] = []
        self._above: list[tuple[int, str]] = []

    def line(self, text: str) -> None:
        if not text.startswith("|"):
            return
        cells = text.strip().strip("|").split("|")
        names = [cell.strip() for cell in cells]
        if names[0] == "Instance" and "Module" in names:
            self._columns, self._rows, self._above = names, [], []
        elif len(cells) == len(self._columns):
            depth = len(cells[0]) - len(cells[0].lstrip())
            while self._above and self._above[-1][0] >= depth:
                self._above.pop()
            self._above.append((depth, names[0]))
            path = "/".join(name for _, name in self._above[1:])  # without the top itself
            numbers = {
                column: float(cell)
                for column, cell in zip(self._columns[2:], names[2:], strict=True)
                if _NUMBER.fullmatch(cell)
            }
            self._rows.append((path, numbers))

    def largest(self, resource: str, names: Names) -> tuple[str, float] | None:
        """The layer that takes most of a resource, and how much; None if no report says so."""
        weights = next((w for words, w in _COLUMNS if any(x in resource for x in words)), None)
        if weights is None:
            return None
        found: dict[str, float] = {}
        for path, numbers in self._rows:
            layer = names(path)
            amount = sum(numbers.get(column, 0) * weight for column, weight in weights.items())
            if layer is not None:
                found[layer] = max(
                    found.get(layer, 0.0), amount
                )  # an instance counts what it contains
        best = max(found, key=found.__getitem__, default=None)
        return None if best is None or found[best] <= 0 else (best, found[best])
