"""Engines: how folded hardware becomes resource numbers, and later a bitfile.

What folds there are, their cycles and costs, the rules of FIFOs and synthesis belong to an engine.
The stages fold, fifos and synth know it by this interface alone. A new engine is a folder beside
`open`, one line in PROVIDERS, and its name in `TargetSpec.engine`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from pipeline.engines.space import Space
from pipeline.engines.utilisation import Utilisation
from pipeline.errors import SpecError, nearest
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.design import Design


@dataclass(frozen=True)
class Synthesised:
    """What synthesis shows of a design. longest_path_ns: of cells alone; None: it has none."""

    utilisation: Utilisation
    longest_path_ns: float | None


class Engine(Protocol):
    """What the stages ask of an engine."""

    deepest_fifo: int
    """Beats that a FIFO may have at most, but between a fork and a join."""

    def space(self, graph: HardwareGraph) -> Space:
        """Every legal fold of each layer with its cycles, stream widths and resources."""

    def check_folding(self, graph: HardwareGraph, folding: Folding) -> None:
        """Raises PipelineError naming every layer whose fold is missing or not legal."""

    def fifo_depths(self, most: int) -> list[int]:
        """Depths below `most` that are worth a trial, ascending."""

    def recipe(self, design: Design, family: str) -> Any:
        """JSON value of all that decides the result of `synthesise` beside the design's files."""

    def synthesise(self, design: Design, family: str, prefix: Path, log: Path) -> Synthesised:
        """Synthesises the design for a family of parts; its files begin with `prefix`.

        Raises ToolError with the tool's own words.
        """


PROVIDERS = {"open": "pipeline.engines.open"}
"""The module that has each engine, as `ENGINE`; imported when it is asked for."""


def engine(name: str) -> Engine:
    """Raises SpecError for an engine that does not exist."""
    if name not in PROVIDERS:
        raise SpecError(f"target.engine = {name!r}: unknown; {nearest(name, PROVIDERS)}")
    return cast(Engine, importlib.import_module(PROVIDERS[name]).ENGINE)
