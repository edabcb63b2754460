"""Removing what was built: a stage, a unit, or what units share; never outside the build folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import PipelineError
from pipeline.flow import state
from pipeline.flow.task import Task, lock_file


def remove(task: Task) -> None:
    """Removes a stage, its logs, its job and what a cut run left.

    Raises PipelineError while another process builds it.
    """
    folder = task.folder
    if not folder.parent.is_dir():
        return
    lock = FileLock(lock_file(folder))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise PipelineError(
            f"{task.name}: another process builds it; clean it when that has ended"
        ) from None
    try:
        # first what recover would publish, and the manifest first: a cut removal leaves no half
        for place in (state.partial_of(folder), state.old_of(folder), folder):
            (place / state.MANIFEST).unlink(missing_ok=True)
            remove_tree(place)
        for file in (task.log, task.log.with_name(f"{task.log.name}.sh"), task.job_file):
            file.unlink(missing_ok=True)
        lock_file(folder).unlink(missing_ok=True)  # who waits for it sees that it is gone
    finally:
        lock.release()
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def built(task: Task) -> bool:
    """Whether there is anything to remove."""
    places = (task.folder, state.partial_of(task.folder), task.job_file, task.log)
    return any(place.exists() for place in places)


def of_unit(chain: Iterable[Task]) -> tuple[list[Task], dict[Task, str]]:
    """What cleaning one unit removes of its `chain`, and what it keeps for which other stage."""
    mine = [task for task in chain if built(task)]
    keep: dict[Task, str] = {}
    others = dict(_standing_on(mine[0].build, {task.folder for task in mine})) if mine else {}
    for task in reversed(mine):
        if (user := others.get(task.folder)) is not None:
            keep[task] = user
            # what a kept stage stands on, it keeps
            others |= {need.folder: user for need in task.inputs}
    return [task for task in mine if task not in keep], keep


def remove_tree(path: Path) -> None:
    """Removes a folder; of a link the link alone, since what it points to is not ours."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _standing_on(build: Path, mine: set[Path]) -> Iterator[tuple[Path, str]]:
    """Published folders that stages outside `mine` were built from, each with one such stage."""
    for path in build.glob("*/*.job.json"):
        folder = path.with_name(path.name.removesuffix(".job.json"))
        if folder in mine or not (folder.exists() or state.partial_of(folder).exists()):
            continue
        try:
            inputs = json.loads(path.read_text())["inputs"].values()
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            continue  # no job: nothing can be built from it
        yield from ((build / place, f"{folder.name}:{path.parent.name}") for place in inputs)
