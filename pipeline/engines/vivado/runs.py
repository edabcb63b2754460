"""How the engine runs a plan: in a folder that a killed run resumes in, and told in words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.diagnosis import (
    Phases,
    all_rules,
    diagnose,
    explained,
    lines,
    remarks,
    unusable,
)
from pipeline.errors import Planned, ToolError
from pipeline.job import Job, progress
from pipeline.tools.vendor.executor import executor
from pipeline.tools.vendor.plan import Plan

LONGEST_HOURS = 72.0
"""A run that takes longer hangs, unless time_limit_hours says otherwise; as that of the stages."""
_SHARE = 0.98
"""A run ends a little before its stage would be ended, so that its end is explained."""
HISTORY = "times.jsonl"
"""How long earlier runs took, in the cache. Only what is shown depends on it."""


def run_planned(
    job: Job,
    plan: Plan,
    log: Path,
    on_line: Callable[[str], None] | None = None,
    *,
    copies: Mapping[str, Path] | None = None,
    names: Callable[[str], str | None] = lambda path: None,
) -> Path:
    """Runs a plan, and gives its work folder, which is named by the plan's digest.

    copies: files that are put into the work folder before, by their name there; the plan's `inputs`
    have their digests. names: from an instance's path in the netlist to the id of its layer.

    The folder outlives the build: a run that was killed resumes there, and one whose products are
    there does not run again. Meanwhile its phase is shown, and how long it may still take. Raises
    Planned in place of running if the setting dry_run is "yes". Raises ToolError with the root
    cause and the remedy if the tool fails, or its log says that the result cannot be used. Other
    critical warnings that matter become notes of the stage.
    """
    own = job.settings.get("rules")
    rules = all_rules(Path(own) if own else None)
    hours = job.settings.get("time_limit_hours") or LONGEST_HOURS
    folder = job.cache / "vivado" / plan.digest()
    runs = executor(job.settings)
    if job.settings.get("dry_run") == "yes":
        raise Planned(runs.describe(plan, folder))
    _place(folder, copies or {})
    name = "" if plan.name == job.stage else f"{plan.name}: "
    phases = Phases(
        lambda text, share: progress(f"{name}{text}", share),
        job.cache / "vivado" / HISTORY,
        plan.name,
        _size(plan, copies or {}),
    )

    def line(text: str) -> None:
        phases.line(text)
        if on_line is not None:
            on_line(text)

    try:
        with phases.going_on():
            ran = runs.run(plan, folder, log, line, progress, _SHARE * 3600 * hours)
        if ran:
            phases.finish()
    except ToolError as error:
        places = [folder, *job.inputs.values()]
        reports = [path for place in places for path in sorted(place.glob("*.rpt"))]
        raise explained(error, [log, *reports], names, rules, plan.argv[0]) from None
    told = diagnose(lines(log), rules, names)
    if (lost := unusable(told, plan.argv[0], log)) is not None:
        raise lost
    for text in remarks(told):
        job.note(f"{name}{text}")
    return folder


def _size(plan: Plan, copies: Mapping[str, Path]) -> float:
    """How much a run has to work on, in bytes: its time is taken to grow with that."""
    return float(
        sum(len(text) for text in plan.files.values())
        + sum(path.stat().st_size for path in copies.values())
    )


def _place(folder: Path, copies: Mapping[str, Path]) -> None:
    """Copies files into a folder. A file that is there is whole, and of the plan's digest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in copies.items():
        if not (folder / name).is_file():
            beside = folder / f".{name}.{os.getpid()}.partial"  # another build may copy it, too
            shutil.copyfile(source, beside)
            beside.replace(folder / name)
