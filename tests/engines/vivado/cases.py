"""Designs with their shells for both families, and jobs of the stages synth and implement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engines.vivado.rtl.instances import Instances
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import Folding, save_folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Job
from pipeline.rtl.design import Design
from pipeline.rtl.generator import generate
from pipeline.rtl.shell.generate import generate_shell
from specs import catalog
from specs.board import BoardSpec
from specs.vivado import VendorTarget
from tests.rtl.test_stage import TFC_FOLDING, tfc

BOARDS = ("Pynq-Z1", "Ultra96")


def target(board: str, **changed: Any) -> VendorTarget:
    """What a vendor's run depends on, for a shipped board."""
    spec = catalog.find(BoardSpec, "board", board, Path())[1]
    values = {
        "board": spec.name,
        "part": spec.part,
        "family": spec.family,
        "board_part": spec.board_part,
        "memory_port_bits": spec.memory_port_bits,
        "clock_mhz": spec.clock_mhz,
        **{name: getattr(spec, name) for name in ("lut", "ff", "bram36", "dsp")},
    }
    return VendorTarget(**{**values, **changed})


def design(board: str, folder: Path) -> Design:
    """TFC-1W1A with random weights, in its shell."""
    of = target(board)
    made = generate(tfc(), TFC_FOLDING, {"act0": 4}, folder)
    return generate_shell(made, of.memory_port_bits, of.family)


@dataclass(frozen=True)
class Unit:
    """A unit's folders up to the stage rtl, below a build folder."""

    folder: Path
    target: VendorTarget
    graph: HardwareGraph
    folding: Folding
    settings: dict[str, Any]

    def job(self, stage: str) -> Job:
        folder = self.folder / "unit" / f"{stage}.partial"
        folder.mkdir(parents=True, exist_ok=True)
        places = {name: self.folder / "unit" / name for name in ("streamline", "rtl", "fold")}
        places["synth"] = self.folder / "unit" / "synth.partial"
        return Job(
            stage,
            "unit",
            {
                "vendor": self.target.model_dump(),
                **{f"board.{name}": getattr(self.target, name) for name in RESOURCES},
                "board.family": self.target.family,
                "target.provider": "vivado.rtl",
            },
            places,
            folder,
            self.settings,
        )

    @property
    def instances(self) -> Instances:
        return Instances(self.graph)

    @property
    def work_folders(self) -> list[Path]:
        """The vendor's work folders so far, the oldest first."""
        found = [path for path in (self.folder / ".cache" / "vivado").iterdir() if path.is_dir()]
        runs = [path for path in found if (path / ".run").is_dir()]
        return sorted(runs, key=lambda path: (path / ".run").stat().st_ctime_ns)


RESOURCES = ("lut", "ff", "bram36", "dsp")


def unit(board: str, folder: Path, vivado: Path, **changed: Any) -> Unit:
    """A unit with its design, to be synthesised by the Vivado in the folder `vivado`."""
    graph = tfc()
    places = {name: folder / "unit" / name for name in ("streamline", "rtl", "fold")}
    for place in places.values():
        place.mkdir(parents=True)
    hardware.save(graph, places["streamline"])
    save_folding(TFC_FOLDING, places["fold"] / "folding.json")
    design(board, places["rtl"])
    of = target(board, **changed)
    return Unit(folder, of, graph, TFC_FOLDING, {"vivado": str(vivado)})


def document(path: Path) -> Any:
    return json.loads(path.read_text())
