"""The engine `vivado` with hardware=finn: FINN's own flow, from its dataflow graph to a bitfile."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pipeline.engines import BITFILE, HWH, Implemented, Implementing, Synthesised, prediction, rows
from pipeline.engines.open import ENGINE as OPEN
from pipeline.engines.space import Space
from pipeline.engines.utilisation import Utilisation
from pipeline.engines.vivado.finn import shell as finn_shell
from pipeline.engines.vivado.finn import space as finn_space
from pipeline.errors import PipelineError
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Figure, Job, Metrics

_LEFT = ("folding_config.json", "estimates.json")
"""What the flow leaves of its work folder in the stage's: the folding and estimates as FINN has
them."""


class VivadoFinn:
    """See `Engine`. It imports FINN only in a process of its own."""

    deepest_fifo = OPEN.deepest_fifo

    def space(self, graph: HardwareGraph, *, signatures: bool) -> Space:
        if signatures:
            raise PipelineError(
                "target.signatures = 'on': FINN's hardware has no signatures; use signatures=off, "
                "or hardware=rtl"
            )
        return finn_space.space(graph)

    def shell(self, family: str, port_bits: int) -> Utilisation:
        return finn_shell.shell()

    def check_folding(self, graph: HardwareGraph, folding: Folding) -> None:
        finn_space.check_folding(graph, folding)

    def fifo_depths(self, most: int) -> list[int]:
        return OPEN.fifo_depths(most)

    def synthesise(self, job: Job, graph: HardwareGraph, folding: Folding) -> Synthesised:
        """Leaves FINN's folding configuration, its estimates, and prediction.csv.

        The figures are of the stitched IP, synthesised out of context: without FINN's shell.
        """
        from pipeline.engines.vivado.finn import work as finn  # noqa: PLC0415

        with finn.prepared(job, "stitched") as work:
            finn.run(job, work, job.folder / "logs" / "finn.log")
            for name in _LEFT:
                shutil.copyfile(work / name, job.folder / name)
            counts = json.loads((work / "synthesised.json").read_text())
            figures = self._figures(work)
        used = {name: _utilisation(row) for name, row in counts.items()}
        total = used.pop(rows.TOTAL)
        table = {layer.id: used.get(layer.id, Utilisation()) for layer in graph.layers}
        table[rows.BETWEEN] = rows.less(total, table)
        space, shell = self.space(graph, signatures=False), Utilisation()
        prediction.write(
            job.folder / prediction.NAME, graph, folding, space, shell, {**table, rows.SHELL: shell}
        )
        return Synthesised(table, total, figures)

    def implement(self, job: Job, graph: HardwareGraph, folding: Folding) -> Implemented:
        """Leaves the bitfile, its hwh, finn_io.json, timing.json, power.json and the reports."""
        from pipeline.engines.vivado.finn import implementation  # noqa: PLC0415
        from pipeline.engines.vivado.finn import work as finn  # noqa: PLC0415

        with finn.prepared(job, "bitfile") as work:
            finn.run(job, work, job.folder / "logs" / "finn.log")
            project = work / (work / "project.txt").read_text().strip()
            found = implementation.read(job, graph, work, project)
            shutil.copyfile(project / "resizer.hwh", job.folder / HWH)
            shutil.copyfile(project / "resizer.bit", job.folder / BITFILE)
            figures = self._figures(work)
        prediction.write(
            job.folder / prediction.NAME,
            graph,
            folding,
            self.space(graph, signatures=False),
            finn_shell.shell(),
            found.rows,
        )
        return Implemented(found.rows, found.total, {**figures, **found.figures})

    def _figures(self, work: Path) -> Metrics:
        estimates = json.loads((work / "estimates.json").read_text())
        ii = max(row["cycles"] for row in estimates.values())
        return {"ii": Figure(ii, "cycles", "estimated")}


def _utilisation(row: dict[str, int]) -> Utilisation:
    return Utilisation(row["LUT"], row["FF"], row["BRAM_36K"] + row["BRAM_18K"] / 2, row["DSP"])


ENGINE: Implementing = VivadoFinn()
