"""Removes what was built: a stage or a whole unit. Nothing outside the build folder is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from pipeline.errors import PipelineError
from pipeline.flow.documents import MANIFEST, JobFile, read
from pipeline.flow.publishing import old_of, partial_of
from pipeline.flow.task import Task, lock_file, lock_of
from pipeline.tools.files import is_folder, remove, there


def remove_stage(task: Task) -> None:
    """Removes a stage: its folder, logs and job file, and what an interrupted run left of it.

    Files, folders and links under these names are all removed. Raises PipelineError if another
    process is building the stage, or if something cannot be removed.
    """
    folder, unit = task.folder, task.folder.parent
    with told(unit):
        if not unit.is_dir():
            remove(unit)
            return
        lock = lock_of(folder)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise PipelineError(
                f"{task.name}: another process builds it; clean it when that has ended"
            ) from None
        try:
            # The manifests go first, those that `recover` would publish before all others: then an
            # interrupted removal leaves nothing that looks complete.
            for place in (partial_of(folder), old_of(folder), folder):
                if is_folder(place):
                    remove(place / MANIFEST)
            for place in _places(task):
                remove(place)
            lock_file(folder).unlink(missing_ok=True)  # whoever waits for it sees that it is gone
        finally:
            lock.release()
        if is_folder(unit) and not any(unit.iterdir()):
            unit.rmdir()


def _places(task: Task) -> tuple[Path, ...]:
    script = task.log.with_name(f"{task.log.name}.sh")
    folder = task.folder
    return (partial_of(folder), old_of(folder), folder, task.log, script, task.job_file)


def built(task: Task) -> bool:
    """Whether there is anything of this task to remove."""
    unit = task.folder.parent
    if not unit.is_dir():
        return there(unit)
    return any(there(place) for place in _places(task)) or is_folder(lock_file(task.folder))


@contextmanager
def told(place: Path) -> Iterator[None]:
    """Turns an OSError of a removal into a PipelineError that names the file."""
    try:
        yield
    except OSError as error:
        raise PipelineError(
            f"{error.filename or place}: cannot be removed ({error.strerror})"
        ) from None


def of_unit(chain: Iterable[Task]) -> tuple[list[Task], dict[Task, str]]:
    """The tasks of a unit's `chain` that cleaning the unit removes, and those that it keeps.

    A task is kept if a stage of another unit was built from it; that stage's name is the value.
    """
    mine = [task for task in chain if built(task)]
    keep: dict[Task, str] = {}
    others = dict(_standing_on(mine[0].build, {task.folder for task in mine})) if mine else {}
    for task in reversed(mine):
        if (user := others.get(task.folder)) is not None:
            keep[task] = user
            # the inputs of a kept stage are kept, too
            others |= {need.folder: user for need in task.inputs}
    return [task for task in mine if task not in keep], keep


def _standing_on(build: Path, mine: set[Path]) -> Iterator[tuple[Path, str]]:
    """The published folders that stages outside `mine` were built from, each with such a stage."""
    for path in build.glob("*/*.job.json"):
        folder = path.with_name(path.name.removesuffix(".job.json"))
        if folder in mine or not (folder.exists() or partial_of(folder).exists()):
            continue
        job = read(JobFile, path)
        if job is None:
            continue  # nothing can be built from it
        yield from (
            (build / place, f"{folder.name}:{path.parent.name}") for place in job.inputs.values()
        )
