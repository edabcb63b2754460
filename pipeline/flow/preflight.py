"""The task `preflight`: before anything runs, whether the vendor's tools can do what is asked.

It comes before every other task of a call that will need those tools. So a missing tool, licence or
part is told in seconds, and not after training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from doit.exceptions import TaskFailed

from pipeline.chain import BY_NAME, Scope
from pipeline.errors import PipelineError
from pipeline.flow.selection import Selection
from pipeline.flow.task import build_folder
from pipeline.flow.unit import Unit
from pipeline.tools.findings import Finding

NAME = "preflight"
_USERS = ("synth", "implement")
"""The stages that run vendor tools."""
_BEYOND = (*_USERS, "package", "build", "deploy")
"""What, named on the command line, needs those stages; so does a call that names nothing."""


def tasks(selection: Selection, asked: bool) -> Iterator[dict[str, Any]]:
    """One task for each selected unit. asked: whether the command line names this task."""
    for unit in selection.units:
        yield {
            "name": unit.name,
            "actions": [(_fly, [selection, unit, asked])],
            "meta": {},
            "verbosity": 2,
        }


def before(selection: Selection, scope: Scope, unit: Unit, named: list[str]) -> list[str]:
    """The names of the tasks that come before a stage of `unit`.

    A network that is trained for several boards waits for none of them: one board whose part has no
    licence stops no other board.
    """
    if selection.settings.dry_run == "yes" or not (not named or {*named} & {*_BEYOND}):
        return []
    units = [x for x in selection.units if x.at(scope).name == unit.name and x.vendor is not None]
    if len(units) != 1 or not any(_runs(selection, units[0], stage) for stage in _USERS):
        return []
    return [f"{NAME}:{units[0].name}"]


def _runs(selection: Selection, unit: Unit, stage: str) -> bool:
    return unit.absent(BY_NAME[stage]) is None and selection.task(BY_NAME[stage], unit).may_run()


def _fly(selection: Selection, unit: Unit, asked: bool) -> TaskFailed | None:
    """Prints all findings if it was asked for by name or if there is a problem; then it fails."""
    from deploy.tables import show_findings  # noqa: PLC0415 - it brings rich
    from pipeline.engines.vivado.preflight import preflight  # noqa: PLC0415 - only this engine's

    if unit.vendor is None:
        return TaskFailed(f"{unit.name}: engine=open needs no vendor tool; give engine=vivado")
    settings = selection.settings
    document = settings.model_dump(mode="json")
    try:
        findings = preflight(unit.vendor, document, build_folder(settings))
    except PipelineError as error:
        return TaskFailed(str(error))
    problems = [finding for finding in findings if finding.level == "problem"]
    if asked:
        show_findings(f"{unit.name}: the vendor's tools", findings)
    if not problems:
        return None
    if asked:
        return TaskFailed(f"to be solved first: {', '.join(x.what for x in problems)}")
    return TaskFailed("\n".join(f"{x.what}: {_words(x)}" for x in problems))


def _words(problem: Finding) -> str:
    found = problem.found.removeprefix(f"{problem.what}: ")
    return f"{found}\n{problem.remedy}" if "\n" in problem.remedy else f"{found}; {problem.remedy}"
