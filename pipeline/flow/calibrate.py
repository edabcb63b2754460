"""The task `calibrate`: learns from builds how far the estimates of the folding are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.chain import BY_NAME
from pipeline.engines import prediction
from pipeline.errors import PipelineError
from pipeline.flow.selection import Selection
from pipeline.flow.task import build_folder
from pipeline.flow.unit import Unit
from pipeline.tools.files import write_atomically

_STAGES = ("implement", "synth")
"""The stages that leave a table of predictions; the first is nearer to the FPGA."""


def calibrate(selection: Selection) -> Iterator[str]:
    """Writes a file for each board and engine of the selected units. Yields what to say.

    Raises PipelineError if nothing of the selection is built.
    """
    groups: dict[tuple[str, str], list[Unit]] = {}
    for unit in selection.units:
        assert unit.board is not None
        assert unit.target is not None
        groups.setdefault((unit.board.name, unit.target.provider), []).append(unit)
    for (board, provider), units in groups.items():
        found = [table for unit in units if (table := _table(selection, unit)) is not None]
        if not found:
            names = ", ".join(unit.name for unit in units)
            raise PipelineError(
                f"calibrate: nothing to learn from: {names} has no {prediction.NAME}. It is "
                "written by the stages synth and implement of engine=vivado; build something first"
            )
        learned = prediction.learn(found, provider, board)
        path = build_folder(selection.settings) / f"costs.{board}.{provider}.json"
        write_atomically(path, learned.text())
        for kind, factor in learned.lut.items():
            limit = " (the limit)" if factor in (prediction.LEAST, prediction.MOST) else ""
            layers = learned.layers[kind]
            yield f"{kind:<14} {factor:6.3f} LUT found for each predicted{limit}, {layers}x"
        yield f"from {len(found)} builds; to fold with it: costs={path}"


def _table(selection: Selection, unit: Unit) -> Path | None:
    tasks = (selection.task(BY_NAME[stage], unit) for stage in _STAGES)
    paths = (task.folder / prediction.NAME for task in tasks)
    return next((path for path in paths if path.is_file()), None)
