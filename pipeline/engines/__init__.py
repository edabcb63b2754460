"""Engines: how a folded network becomes resource numbers, and later a bitfile.

An engine knows which folds are legal, their cycles and costs, which FIFO depths are worth trying,
and how a design is synthesised. The stages fold, fifos and synth use only the interface below. A
new engine is a folder beside `open`, one line in PROVIDERS, and its name in `TargetSpec.engine`.
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
    """The result of synthesis.

    longest_path_ns: the longest delay from register to register, of the cells alone; None if there
    is no such path.
    """

    utilisation: Utilisation
    longest_path_ns: float | None


class Engine(Protocol):
    """The interface of an engine, as the stages use it."""

    deepest_fifo: int
    """The most beats that a FIFO may have, except between a fork and a join."""

    def space(self, graph: HardwareGraph, *, signatures: bool) -> Space:
        """Every legal fold of each layer, with its cycles, stream widths and resources.

        signatures: every stream has a signature, which counts to the layer that writes it.
        """

    def shell(self, family: str, port_bits: int) -> Utilisation:
        """What the AXI shell takes beside the network and its signatures."""

    def check_folding(self, graph: HardwareGraph, folding: Folding) -> None:
        """Raises PipelineError naming every layer whose fold is missing or illegal."""

    def fifo_depths(self, most: int) -> list[int]:
        """The FIFO depths below `most` that are worth trying, in ascending order."""

    def recipe(self, design: Design, family: str) -> Any:
        """A JSON value of everything that decides the result of `synthesise`, but the files.

        With the same recipe and the same files of the design, the result is the same.
        """

    def synthesise(self, design: Design, family: str, prefix: Path, log: Path) -> Synthesised:
        """Synthesises the design for a family of FPGAs. Output files begin with `prefix`.

        Raises ToolError with the tool's own words.
        """


PROVIDERS = {"open": "pipeline.engines.open"}
"""By engine: the module that has it, as `ENGINE`. It is imported only when it is used."""


def engine(name: str) -> Engine:
    """The engine with this name. Raises SpecError if there is none."""
    if name not in PROVIDERS:
        raise SpecError(f"target.engine = {name!r}: unknown; {nearest(name, PROVIDERS)}")
    return cast(Engine, importlib.import_module(PROVIDERS[name]).ENGINE)
