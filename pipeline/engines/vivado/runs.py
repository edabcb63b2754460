"""How the engine runs a plan: in a folder that a killed run resumes in, and told in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import Planned
from pipeline.job import Job, progress
from pipeline.tools.vendor.executor import executor
from pipeline.tools.vendor.plan import Plan


def run_planned(
    job: Job, plan: Plan, log: Path, on_line: Callable[[str], None] | None = None
) -> Path:
    """Runs a plan, and gives its work folder, which is named by the plan's digest.

    The folder outlives the build: a run that was killed resumes there, and one whose products are
    there does not run again. Raises Planned in place of running if the setting dry_run is "yes",
    ToolError if the tool fails.
    """
    folder = job.cache / "vivado" / plan.digest()
    runs = executor(job.settings)
    if job.settings.get("dry_run") == "yes":
        raise Planned(runs.describe(plan, folder))
    runs.run(plan, folder, log, on_line, progress)
    return folder
