"""The tasks that work on boards: deploy, check-board, rollback. Several boards at once in threads.

One board that fails does not stop the others; the task then fails and names it.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from doit.exceptions import TaskFailed

from pipeline.chain import STAGES, deploy_stage
from pipeline.errors import PipelineError, SpecError
from pipeline.flow.selection import Selection, task_names
from pipeline.flow.task import Task, build_folder
from pipeline.flow.unit import Unit
from pipeline.flow.variables import Settings, boards
from pipeline.tools.files import content
from pipeline.tools.ssh import ALLOWED, VIRTUAL
from specs.board import BoardSpec

Found = TypeVar("Found")
Show = Callable[[str], None]

NONE_NAMED = f"host=: names no board; {ALLOWED}; several with commas; or {VIRTUAL}, a simulated one"
_LARGEST_VERDICT = 4 << 20


def deploy_tasks(selection: Selection) -> Iterator[dict[str, Any]]:
    """One task per selected unit: builds its package, brings it to each board, shows verdicts."""
    for unit in selection.units:
        tasks = {word: _task(selection, unit, word) for word in _words(selection.settings)}
        reason = NONE_NAMED if not tasks else None
        for task in tasks.values():
            reason = reason or unit.absent(task.stage)
        if reason is not None:
            yield {
                "name": unit.name,
                "actions": [partial(TaskFailed, f"{unit.name}: {reason}")],
                "meta": {},
            }
            continue
        inputs = next(iter(tasks.values())).inputs
        needs = [need for need in inputs if need.stage in STAGES]
        yield {
            "name": unit.name,
            "actions": [(_deploy, [unit, tasks])],
            "task_dep": task_names(needs),
            "verbosity": 2,
            "meta": {},
        }


def _words(settings: Settings) -> list[str]:
    return [] if settings.host is None else boards(settings.host)


def _task(selection: Selection, unit: Unit, word: str) -> Task:
    from deploy.hosts import label  # noqa: PLC0415

    found = selection.task(deploy_stage(label(word)), unit)
    settings = found.settings.model_copy(update={"host": word})
    return Task(found.stage, found.unit, found.inputs, settings)


def _deploy(unit: Unit, tasks: dict[str, Task]) -> TaskFailed | None:
    from deploy.tables import show_verdict  # noqa: PLC0415 - it brings rich

    try:
        for need in next(iter(tasks.values())).inputs:
            if need.outdated() is not None:
                print(f"     {need.stage.name} {need.unit.name}")
                need.execute(lambda text, share: None)
        passwords = _passwords(tasks, next(iter(tasks.values())).settings)
    except PipelineError as error:
        return TaskFailed(str(error))

    def deploy(word: str, show: Show) -> dict[str, Any]:
        password = passwords.get(word)
        feed = None if password is None else [f"{password}\n".encode()]
        tasks[word].execute(lambda text, share: show(text), feed)
        return _verdict(tasks[word])

    found, failed = _at_once(list(tasks), deploy)
    for word, verdict in found.items():
        show_verdict(word, unit.name, verdict)
        reasons = [f"{x['what']}: {x['why']}" for x in verdict["rows"] if x["judgement"] == "fail"]
        if reasons:
            failed[word] = f"{word}: the verdict is fail\n  " + "\n  ".join(reasons)
    return _end(tasks, failed)


def _verdict(task: Task) -> dict[str, Any]:
    text = content(task.folder / "verdict.json", _LARGEST_VERDICT)
    found: dict[str, Any] = json.loads(text or "{}")
    return found


def check_board(selection: Selection, wanted: bool) -> TaskFailed | None:
    """Shows all findings on each board. wanted: whether it must be the selected board."""
    from deploy.check import check  # noqa: PLC0415
    from deploy.tables import show_findings  # noqa: PLC0415

    spec = selection.units[0].board
    found, failed = _on_boards(
        selection, "check", lambda board: check(board, spec if wanted else None)
    )
    for word, findings in found.items():
        show_findings(word, findings)
        if problems := [finding.what for finding in findings if finding.level == "problem"]:
            failed[word] = f"{word}: {len(problems)} problems: {', '.join(problems)}"
    return _end(found | failed, failed)


def rollback_boards(selection: Selection) -> TaskFailed | None:
    """Makes the release before the current one the current one, on each board."""
    from deploy.install import rollback  # noqa: PLC0415

    found, failed = _on_boards(selection, "rollback", rollback)
    for word, release in found.items():
        print(f"{word}: {release} is the current release now")
    return _end(found | failed, failed)


def _on_boards(
    selection: Selection, what: str, act: Callable[[Any], Found]
) -> tuple[dict[str, Found], dict[str, str]]:
    """Does something on each board that host= names; what came of it, and what failed."""
    from deploy.hosts import label, reached  # noqa: PLC0415

    settings = selection.settings
    spec = selection.units[0].board
    assert isinstance(spec, BoardSpec)
    build = build_folder(settings)
    try:
        words = _words(settings)
        if not words:
            raise SpecError(NONE_NAMED)
        passwords = _passwords(words, settings) if what == "check" else {}
    except PipelineError as error:
        return {}, {"": str(error)}
    document = {**settings.model_dump(mode="json"), "build_dir": str(build)}

    def on_board(word: str, show: Show) -> Found:
        logs = build / ".boards" / label(word)
        with reached(word, spec, document, logs, show, passwords.get(word)) as board:
            return act(board)

    return _at_once(words, on_board)


def _at_once(
    words: list[str], act: Callable[[str, Show], Found]
) -> tuple[dict[str, Found], dict[str, str]]:
    """Does it for all boards at once. Each line that one shows begins with its name."""
    width = max(map(len, words))

    def one(word: str) -> Found:
        return act(word, lambda text: print(f"     {word:<{width}}  {text}", flush=True))

    found: dict[str, Found] = {}
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(len(words)) as pool:
        for word, future in [(word, pool.submit(one, word)) for word in words]:
            try:
                found[word] = future.result()
            except PipelineError as error:
                failed[word] = str(error)
    return found, failed


def _passwords(words: Iterable[str], settings: Settings) -> dict[str, str]:
    """sudo's password on each board, read from the terminal if sudo=ask says so. Never stored."""
    asked = [word for word in words if word != VIRTUAL] if settings.sudo == "ask" else []
    if asked and not sys.stdin.isatty():
        raise PipelineError(
            "sudo=ask: there is no terminal to ask for the password on; without a password it "
            "works once sudo on the board needs none: see docs/board.md, Root"
        )
    return {word: getpass.getpass(f"sudo's password on {word}: ") for word in asked}


def _end(words: Iterable[str], failed: dict[str, str]) -> TaskFailed | None:
    if not failed:
        return None
    good = [word for word in words if word not in failed]
    rest = f"\nthe others are done: {', '.join(good)}" if good else ""
    return TaskFailed("\n".join(failed.values()) + rest)
