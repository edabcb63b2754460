"""Engines: how a folded network becomes resource numbers, and with a vendor's tools a bitfile.

An engine knows which folds are legal, their cycles and costs, which FIFO depths are worth trying,
and how a design is synthesised and implemented. The stages fold, fifos, synth and implement use
only the interface below. A new engine is a folder beside `open`, one line in PROVIDERS, and its
name in `TargetSpec`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Protocol, cast

from pipeline.engines.space import Space
from pipeline.engines.utilisation import Utilisation
from pipeline.errors import SpecError, nearest
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Job, Metrics


@dataclass(frozen=True)
class Synthesised:
    """The result of synthesis.

    rows: the resources by layer, with further rows such as the shell's. total: of the whole design.
    figures: what else is known of it, such as the timing.
    """

    rows: dict[str, Utilisation]
    total: Utilisation
    figures: Metrics


@dataclass(frozen=True)
class Implemented(Synthesised):
    """The result of placing and routing. BITFILE and HWH are in the job's folder."""


BITFILE, HWH = "accelerator.bit", "accelerator.hwh"


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

    def synthesise(self, job: Job, graph: HardwareGraph, folding: Folding) -> Synthesised:
        """Synthesises the hardware for the job's board, with its shell.

        The files go into the job's folder. Raises ToolError with the tool's own words.
        """


class Implementing(Engine, Protocol):
    """An engine that also makes bitfiles."""

    def implement(self, job: Job, graph: HardwareGraph, folding: Folding) -> Implemented:
        """Places and routes what was synthesised, and makes its bitfile.

        Raises ToolError with the tool's own words, and PipelineError if the timing is not met.
        """


PROVIDERS = {
    "open": "pipeline.engines.open",
    "vivado.rtl": "pipeline.engines.vivado.rtl",
    "vivado.finn": "pipeline.engines.vivado.finn",
}
"""By `TargetSpec.provider`: the module that has it, as `ENGINE`. It is imported only when used."""


def engine(provider: str) -> Engine:
    """The engine of `TargetSpec.provider`. Raises SpecError if there is none."""
    if provider not in PROVIDERS:
        raise SpecError(f"target.engine = {provider!r}: unknown; {nearest(provider, PROVIDERS)}")
    return cast(Engine, importlib.import_module(PROVIDERS[provider]).ENGINE)


def implementing(provider: str) -> Implementing:
    """The engine of a unit that has the stage implement: see `Unit.absent`."""
    return cast(Implementing, engine(provider))
