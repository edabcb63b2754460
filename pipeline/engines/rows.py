"""The table of resources by layer, its figures, and whether the whole fits the board."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from pipeline.engines.utilisation import Utilisation
from pipeline.errors import DoesNotFit
from pipeline.job import Figure, Job, Kind, Metrics

RESOURCES = ("lut", "ff", "bram36", "dsp")
"""Those of a board."""
TOTAL, BETWEEN, SHELL = "total", "between layers", "shell"


def less(total: Utilisation, rows: Mapping[str, Utilisation]) -> Utilisation:
    """What is in the total and in no row; a number may be below zero."""
    return Utilisation(
        **{
            field.name: getattr(total, field.name)
            - sum(getattr(row, field.name) for row in rows.values())
            for field in fields(Utilisation)
        }
    )


def write(path: Path, rows: Mapping[str, Utilisation], total: Utilisation) -> None:
    """Writes the table as CSV, with the total as its last row."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["layer", *(field.name for field in fields(Utilisation))])
        for name, row in {**rows, TOTAL: total}.items():
            writer.writerow([name, *row.document().values()])


def of_board(job: Job) -> dict[str, int]:
    """The resources of the job's board."""
    return {name: job.spec(f"board.{name}", int) for name in RESOURCES}


def require_fit(stage: str, total: Utilisation, have: Mapping[str, int]) -> None:
    """Raises DoesNotFit if the total exceeds the board."""
    short = [
        f"{name} {getattr(total, name):g} of {have[name]}"
        for name in RESOURCES
        if getattr(total, name) > have[name]
    ]
    if short:
        raise DoesNotFit(
            f"{stage}: the design needs more than the board has: {', '.join(short)}; "
            "ask for less with fps="
        )


def metrics(total: Utilisation, have: Mapping[str, int], kind: Kind) -> Metrics:
    """Each resource of the total, and its share of the board."""
    found: Metrics = {}
    for name, value in total.document().items():
        found[name] = Figure(value, name.upper(), kind)
        if name in have:
            share = 100 * value / have[name] if have[name] else 0.0
            found[f"{name}_share"] = Figure(round(share, 2), "%", kind)
    return found
