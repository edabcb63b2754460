"""Says why a task would run: each difference between what decided its result then and now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.chain import ASKED, BY_NAME, LAST, PREVIEWS
from pipeline.errors import PipelineError, nearest
from pipeline.flow import publishing, state
from pipeline.flow.documents import Manifest
from pipeline.flow.selection import Selection
from pipeline.flow.task import Task
from pipeline.tools.files import digest_of
from specs.evaluation import PREFIX

BUILD = "build"


def explain(selection: Selection, names: Iterable[str]) -> Iterator[str]:
    """One line for each task that `names` mean and for all tasks that these need, inputs first.

    The reasons follow the line of a task that would run. names: tasks, stages (of all selected
    units), or `build`, which is also the default. Raises PipelineError for any other name.
    """
    for unit in selection.units if BUILD in (list(names) or [BUILD]) else ():
        if (reason := unit.absent(LAST)) is not None:
            yield f"{BUILD}:{unit.name}: {reason}"
    stale: set[str] = set()
    tasks, only_before = _in_order(selection, list(names) or [BUILD])
    for task in tasks:
        following = only_before.get(task.name)
        if following is not None and not following.may_run():
            yield f"{task.name}: runs only before {following.name}, which is up to date"
            continue
        if found := reasons(task):
            stale.add(task.name)
            yield f"{task.name}: would run"
            yield from (f"  {reason}" for reason in found)
            continue
        behind = [need.name for need in task.inputs if need.name in stale]
        if behind:
            stale.add(task.name)
            yield f"{task.name}: runs if {' or '.join(behind)} gives other files than before"
        else:
            yield f"{task.name}: up to date"


def reasons(task: Task) -> list[str]:
    """All reasons why a stage is not up to date; empty if it is."""
    if (kind := task.outdated()) is None:
        return []
    before = state.manifest(task.folder)
    if before is None:
        return [kind, *_left_behind(task)]
    missing = [need.name for need in task.inputs if state.manifest(need.folder) is None]
    if missing:
        return [f"its input {name} is not built" for name in missing]
    return [*_differences(before, task)] or [kind]


def _left_behind(task: Task) -> Iterator[str]:
    basis = task.basis() if task.stage.resumes else None
    if basis is not None and publishing.left_of(task.folder) == digest_of(basis):
        yield "an interrupted run of this job is there, and will be continued"


def _differences(before: Manifest, task: Task) -> Iterator[str]:
    if before.version != task.stage.version:
        yield f"the stage's version was {before.version}, is {task.stage.version}"
    yield from _fields(before.specs, task.specs())
    now = (task.basis() or {})["inputs"]
    for need in task.inputs:
        then = before.inputs.get(need.stage.name, {})
        yield from (
            f"its input {need.name} changed: {name}"
            for name in sorted({*then, *now[need.stage.name]})
            if then.get(name) != now[need.stage.name].get(name)
        )


def _fields(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """A line for each leaf in which two JSON values differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in {**before, **now}:
            inner = f"{path}.{name}" if path else name
            yield from _fields(before.get(name), now.get(name), inner)
    elif before != now:
        yield f"{path} was {_shown(before)}, is {_shown(now)}"


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)


def _in_order(selection: Selection, names: list[str]) -> tuple[list[Task], dict[str, Task]]:
    """The tasks that `names` mean, and all that these need or that come before them, in order.

    The dictionary has those that only come before another one, by name, with that other one.
    """
    chains = {unit.name: list(selection.chain(unit)) for unit in selection.units}
    known = {task.name: task for chain in chains.values() for task in chain}
    asked = {
        task.name: task
        for stage in ASKED
        for task in selection.tasks(stage.name)
        if task.unit.absent(stage) is None
    }
    groups = {stage: [t for t in known.values() if t.stage.name == stage] for stage in BY_NAME}
    levels = selection.evaluation.level.split(",")
    for stage in ASKED:
        groups[stage.name] = [t for t in asked.values() if t.stage.name == stage.name]
    groups["evaluate"] = [task for level in levels for task in groups[f"{PREFIX}{level}"]]
    groups |= {name: [task] for name, task in (known | asked).items()}
    for unit, chain in chains.items():
        groups[f"{BUILD}:{unit}"] = [t for t in chain if t.stage.name not in PREVIEWS]
    groups[BUILD] = [task for unit in chains for task in groups[f"{BUILD}:{unit}"]]
    if unknown := [name for name in names if name not in groups]:
        lines = [f"{name}: no such task here; {nearest(name, groups)}" for name in unknown]
        raise PipelineError("\n".join(lines))
    wanted: dict[str, Task] = {}
    for name in names:
        for task in groups[name]:
            wanted |= _with_needs(task)
    boards = any(task.stage.scope == "board" for task in wanted.values())
    before = {
        name: (need, task)
        for task in wanted.values()
        for first in selection.before(task, boards)
        for name, need in _with_needs(first).items()
        if name not in wanted
    }
    wanted |= {name: need for name, (need, _) in before.items()}
    order = sorted(wanted.values(), key=lambda task: [*BY_NAME].index(task.stage.name))
    return order, {name: task for name, (_, task) in before.items()}


def _with_needs(task: Task) -> dict[str, Task]:
    found = {task.name: task}
    for need in task.inputs:
        found |= _with_needs(need)
    return found
