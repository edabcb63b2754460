"""Remembers in a work folder that a plan's run has finished there, so that it never runs twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import ToolError
from pipeline.tools.files import sha256, write_atomically
from pipeline.tools.vendor.plan import RUN, Plan

_RECORD, _LOG = "finished.json", "tool.log"


def again(plan: Plan, folder: Path, log: Path, on_line: Callable[[str], None] | None) -> bool:
    """Whether the folder has the intact products of the plan. If so, its log is given once more."""
    try:
        record = json.loads((folder / RUN / _RECORD).read_text())
        if record != _record(plan, folder):
            return False
        shutil.copyfile(folder / RUN / _LOG, log)
    except (OSError, ValueError):
        return False
    if on_line is not None:
        with log.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                on_line(line.rstrip("\n"))
    return True


def seal(plan: Plan, folder: Path, log: Path) -> None:
    """Keeps the log, and the record that the run is over. Raises ToolError for what is missing."""
    missing = [name for name in plan.products if not (folder / name).is_file()]
    if missing:
        raise ToolError(
            f"{plan.argv[0]} ended with exit code 0 and did not write {', '.join(missing)}\n"
            f"  whole log: {log}",
            0,
        )
    shutil.copyfile(log, folder / RUN / _LOG)
    write_atomically(folder / RUN / _RECORD, json.dumps(_record(plan, folder), indent=1) + "\n")


def _record(plan: Plan, folder: Path) -> dict[str, object]:
    products = {name: sha256(folder / name) for name in plan.products}
    return {"plan": plan.digest(), "products": products}
