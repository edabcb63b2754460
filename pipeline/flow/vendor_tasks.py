"""The tasks about vendor tools that build nothing: explain and report-vivado."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from doit.exceptions import TaskFailed

from pipeline.errors import PipelineError
from pipeline.flow.selection import Selection
from pipeline.flow.variables import Settings, user_folder


def explain(settings: Settings, names: Sequence[str]) -> TaskFailed | None:
    """Prints what the log doctor sees in each of these logs."""
    from pipeline.diagnosis import all_rules, diagnose, explanation, lines  # noqa: PLC0415

    if not names:
        return TaskFailed(
            "explain: names no log: ./doit explain LOG, any log of Vivado, Vitis HLS or a container"
        )
    failed = []
    try:
        rules = all_rules(Path(settings.rules) if settings.rules else None)
    except PipelineError as error:
        return TaskFailed(str(error))
    for name in names:
        try:
            print(explanation(diagnose(lines(user_folder() / name), rules), name))
        except PipelineError as error:
            failed.append(str(error))
    return TaskFailed("\n".join(failed)) if failed else None


def report_vivado(selection: Selection) -> TaskFailed | None:
    """Packs the report of each selected unit."""
    from pipeline.flow.vendor_report import report  # noqa: PLC0415

    failed = []
    for unit in selection.units:
        try:
            path = report(unit.name, selection.settings)
        except PipelineError as error:
            failed.append(str(error))
        else:
            print(f"{path}\n  without paths, names and licences; look at it before you share it")
    return TaskFailed("\n".join(failed)) if failed else None
