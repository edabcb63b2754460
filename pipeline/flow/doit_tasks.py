"""Makes doit's task dictionaries from the selection."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from doit import doit_cmd
from doit.action import PythonAction
from doit.exceptions import InvalidDodoFile, InvalidTask, TaskFailed

from pipeline import ROOT
from pipeline.chain import BY_NAME, LAST, PLAN, PREVIEWS
from pipeline.errors import PipelineError, Planned, ToolError
from pipeline.flow import boards, clean, preflight, state, vendor_tasks, why
from pipeline.flow.reporter import PLANNED, RAN, REFUSED, Progress
from pipeline.flow.selection import Selection, selection, task_names
from pipeline.flow.task import Task, build_folder
from pipeline.flow.unit import QUICK_START
from pipeline.tools.files import remove, there
from pipeline.tools.process import run_tool
from specs.evaluation import PREFIX


@cache
def selected() -> Selection:
    """The selection of this call. Raises InvalidDodoFile, of which doit shows only the message."""
    try:
        return selection(given())
    except PipelineError as error:
        raise InvalidDodoFile(str(error)) from None


def given() -> dict[str, str]:
    """The variables of the command line. doit has no public way to see the unknown ones."""
    return dict(doit_cmd._CMDLINE_VARS or {})


def notice() -> str | None:
    """A line that says what was selected where the call itself does not; None where it does."""
    if _of_all():
        without = {unit.network.name for unit in selected().units if unit.absent(LAST)}
        return f"left out (no integer datapath): {', '.join(sorted(without))}" if without else None
    if "network" in given() or "qonnx" in given():
        return None
    words = " ".join(f"{name}={value}" for name, value in {**QUICK_START, **given()}.items())
    return f"quick start: {words} (network= names another)"


def stage_tasks(stage: str) -> Iterator[dict[str, Any]]:
    """One task of `stage` for each selected unit."""
    for task in selected().tasks(stage):
        if (reason := task.unit.absent(task.stage)) is not None:
            if not _of_all():
                yield _refusal(task.unit.name, f"{task.name}: {reason}")
            continue
        before = _before(task)
        of_boards = task.stage.scope == "board" and task.stage.name in PREVIEWS
        look = of_boards and task.stage.name not in _named()
        yield {
            "name": task.unit.name,
            "actions": [(_look, [task])] if look else [(_execute, [task, before])],
            "task_dep": [*_preflight(task), *task_names([*before, *task.inputs])],
            "uptodate": [(_up_to_date, [task])],
            "clean": [Removal(_clean_stage, task)],
            "meta": {"task": task},
        }


def _before(task: Task) -> list[Task]:
    """The tasks that may refuse `task`; those of boards only if this call works on boards."""
    named = _named()
    levels = selected().evaluation.level.split(",")
    scopes = {name: stage.scope for name, stage in BY_NAME.items()}
    scopes["evaluate"] = "board" if "rtl" in levels else "network"
    boards = not named or any(scopes.get(name, "board") == "board" for name in named)
    return selected().before(task, boards) if task.stage.after and task.may_run() else []


def _preflight(task: Task) -> list[str]:
    return preflight.before(selected(), task.stage.scope, task.unit, _named())


def preflight_tasks() -> Iterator[dict[str, Any]]:
    yield from preflight.tasks(selected(), preflight.NAME in _named())


def _named() -> list[str]:
    """What the command line names: stages, `build`, `deploy`, `evaluate` or `preflight`."""
    words = [word.partition(":")[0] for word in sys.argv[1:]]
    return [word for word in words if word in BY_NAME or word in _GROUPS]


_GROUPS = ("build", "deploy", "evaluate", preflight.NAME)


def several() -> bool:
    """Whether the variables may mean several units. Then a failure stops only what needs it."""
    words = [given().get(name, "") for name in ("network", "board")]
    return any("," in word or word == "all" for word in words)


def evaluate_tasks() -> Iterator[dict[str, Any]]:
    """One task per selected unit: the levels that `level=` names, or all that the unit has."""
    entries = [
        {**entry, "name": f"{level}:{entry['name']}"}
        for level in dict.fromkeys(selected().evaluation.level.split(","))
        for entry in stage_tasks(f"{PREFIX}{level}")
    ]
    there = [entry for entry in entries if "task" in entry["meta"]]
    yield from entries if "level" in given() or not there else there


def plan_tasks(doc: str | None) -> Iterator[dict[str, Any]]:
    """One task per selected unit: the plan of its pruning."""
    yield {"basename": PLAN, "name": None, "doc": doc}
    yield from ({"basename": PLAN, **entry} for entry in stage_tasks(PLAN))


def build_tasks() -> Iterator[dict[str, Any]]:
    """One task per selected unit: builds all its stages, then prints its table."""
    for unit in selected().units:
        if (reason := unit.absent(LAST)) is not None:
            if not _of_all():
                yield _refusal(unit.name, f"{unit.name}: {reason}")
            continue
        chain = list(selected().chain(unit))
        yield {
            "name": unit.name,
            "actions": [(_show, [chain])],
            "task_dep": task_names(task for task in chain if task.stage.name not in PREVIEWS),
            "clean": [Removal(_clean_unit, chain)],
            "verbosity": 2,
            "meta": {},
        }


def _show(chain: list[Task]) -> None:
    if chain[-1].settings.dry_run == "yes" and chain[-1].may_run():
        return  # the last stages were only planned
    from pipeline.flow import summary  # noqa: PLC0415 - it brings rich, which `./doit list` need not

    summary.show(chain)


def _of_all() -> bool:
    """Whether network=all was given. Then networks that lack a stage are left out."""
    return given().get("network") == "all"


def _refusal(name: str, reason: str) -> dict[str, Any]:
    """A task that fails at once and says why there is nothing to build."""
    return {"name": name, "actions": [lambda: TaskFailed(reason)], "meta": {}}


def deploy_tasks() -> Iterator[dict[str, Any]]:
    yield from boards.deploy_tasks(selected())


def board_task(name: str, doc: str | None) -> dict[str, Any]:
    """A task that works on the boards of host=, and builds nothing."""
    return {"basename": name, "doc": doc, "actions": [(_on_boards, [name])], "verbosity": 2}


def _on_boards(name: str) -> TaskFailed | None:
    if name == "rollback":
        return boards.rollback_boards(selected())
    return boards.check_board(selected(), wanted="board" in given())


def check_tasks() -> Iterator[dict[str, Any]]:
    for unit in selected().units:
        yield {
            "name": unit.name,
            "actions": [(_check, [list(selected().chain(unit))])],
            "verbosity": 2,
        }


def cache_task() -> dict[str, Any]:
    """The task of the cache that all units share. It is cleaned only if it is named."""
    return {"actions": [_show_cache], "clean": [Removal(_clean_cache)], "verbosity": 2}


class Removal(PythonAction):  # type: ignore[misc] # doit has no type hints
    """A clean action that prints what it does. A PipelineError ends the command in one line."""

    def __init__(self, action: Any, *arguments: Any) -> None:
        super().__init__(action, arguments)

    def __str__(self) -> str:
        return "remove what was built"

    def execute(self, out: Any = None, err: Any = None) -> Any:
        try:
            self.py_callable(*self.args, **self.kwargs)
        except PipelineError as error:
            raise InvalidTask(str(error)) from None


_kept: set[Task] = set()
"""Stages that cleaning a unit kept for other units. doit then cleans the unit's stages one by one,
and these must still be kept."""


def _clean_stage(task: Task, dryrun: bool) -> None:
    if clean.built(task) and task not in _kept:
        print(f"  {'would remove' if dryrun else 'removed'} {task.folder}")
        if not dryrun:
            clean.remove_stage(task)


def _clean_unit(chain: list[Task], dryrun: bool) -> None:
    removed, kept = clean.of_unit(chain)
    _kept.update(kept)
    for task, user in kept.items():
        print(f"  kept {task.folder}: {user} was built from it")
    for task in reversed(removed):
        _clean_stage(task, dryrun)


def _cache() -> Path:
    return build_folder(selected().settings) / ".cache"


def _show_cache() -> None:
    size = sum(path.stat().st_size for path in _cache().rglob("*") if path.is_file())
    print(f"{_cache()}: {size / 2**20:,.1f} MiB; ./doit clean cache removes it")


def _clean_cache(dryrun: bool) -> None:
    print(f"  {'would remove' if dryrun else 'removed'} {_cache()}")
    if not dryrun:
        with clean.told(_cache()):
            remove(_cache())


def calibrate_task() -> dict[str, Any]:
    """The task that writes the factors by which costs= corrects the folding's estimates."""
    return {"actions": [_calibrate], "verbosity": 2}


def _calibrate() -> TaskFailed | None:
    from pipeline.flow.calibrate import calibrate  # noqa: PLC0415 - no other call needs it

    try:
        for line in calibrate(selected()):
            print(line)
    except PipelineError as error:
        return TaskFailed(str(error))
    return None


def why_task() -> dict[str, Any]:
    return {"actions": [_why], "pos_arg": "names", "verbosity": 2}


def _why(names: list[str]) -> TaskFailed | None:
    try:
        for line in why.explain(selected(), names):
            print(line)
    except PipelineError as error:
        return TaskFailed(str(error))
    return None


def explain_task() -> dict[str, Any]:
    return {"actions": [_explain], "pos_arg": "names", "verbosity": 2}


def _explain(names: list[str]) -> TaskFailed | None:
    return vendor_tasks.explain(selected().settings, names)


def report_vivado_task(doc: str | None) -> dict[str, Any]:
    return {"basename": "report-vivado", "doc": doc, "actions": [_report_vivado], "verbosity": 2}


def _report_vivado() -> TaskFailed | None:
    return vendor_tasks.report_vivado(selected())


def _execute(task: Task, before: Iterable[Task] = ()) -> TaskFailed | dict[str, bool | str]:
    for stage in task.stage.after:
        refused = [need.outdated() is not None for need in before if need.stage.name == stage]
        if refused and all(refused):
            return TaskFailed(f"not begun: {stage} refused it", report=False)
    dry = task.settings.dry_run == "yes"
    if dry and any(need.outdated() is not None for need in task.inputs):
        return {RAN: False, PLANNED: "not planned: a stage that it needs was only planned"}
    try:
        return {RAN: task.execute(Progress(task).show)}
    except Planned as plan:
        return {RAN: False, PLANNED: str(plan)}
    except PipelineError as error:
        return TaskFailed(str(error))


def _look(task: Task) -> dict[str, bool | str]:
    """Runs a stage before another one, which need not fail with it: another board may do."""
    found = _execute(task)
    return {REFUSED: found.get_msg()} if isinstance(found, TaskFailed) else {**found}


def _up_to_date(stage_task: Task) -> bool:
    return stage_task.outdated() is None


def _check(chain: list[Task]) -> TaskFailed | None:
    """Hashes every output again; fails with those that differ from their manifest."""
    built = [task for task in chain if there(task.folder)]
    if not built:
        print(f"{chain[-1].unit.name}: nothing is built yet")
        return None
    damaged = [
        damage for task in built for damage in state.damaged_outputs(task.folder, task.leaves)
    ]
    if damaged:
        text = "\n".join(damaged)
        return TaskFailed(f"{text}\nremove the stage's folder and build again")
    print(f"{chain[-1].unit.name}: {len(built)} of {len(chain)} stages built, all outputs intact")
    return None


def run_tests() -> TaskFailed | None:
    """Runs the test suite and shows its lines as they come."""
    log = ROOT / "build" / "test.log"
    # each core runs whole files of tests, so that fixtures of one file are made once
    spread = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
    command: list[str | Path] = [sys.executable, "-m", "pytest", *spread]
    try:
        run_tool(command, log=log, cwd=ROOT, on_line=print, tool_errors=False)
    except ToolError:
        return TaskFailed(f"see above; the same in {log}")
    return None
