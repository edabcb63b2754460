"""How the engine runs a plan: in a folder that a killed run resumes in, and told in words."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.errors import Planned
from pipeline.job import Job, progress
from pipeline.tools.vendor.executor import executor
from pipeline.tools.vendor.plan import Plan


def run_planned(
    job: Job,
    plan: Plan,
    log: Path,
    on_line: Callable[[str], None] | None = None,
    *,
    copies: Mapping[str, Path] | None = None,
) -> Path:
    """Runs a plan, and gives its work folder, which is named by the plan's digest.

    copies: files that are put into the work folder before, by their name there; the plan's `inputs`
    have their digests.

    The folder outlives the build: a run that was killed resumes there, and one whose products are
    there does not run again. Raises Planned in place of running if the setting dry_run is "yes",
    ToolError if the tool fails.
    """
    folder = job.cache / "vivado" / plan.digest()
    runs = executor(job.settings)
    if job.settings.get("dry_run") == "yes":
        raise Planned(runs.describe(plan, folder))
    _place(folder, copies or {})
    runs.run(plan, folder, log, on_line, progress)
    return folder


def _place(folder: Path, copies: Mapping[str, Path]) -> None:
    """Copies files into a folder. A file that is there is whole, and of the plan's digest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in copies.items():
        if not (folder / name).is_file():
            beside = folder / f".{name}.partial"
            shutil.copyfile(source, beside)
            beside.replace(folder / name)
