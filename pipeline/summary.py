"""The table a build ends with: each number with its kind."""

from __future__ import annotations

from pipeline.stage import Task


def show(chain: list[Task]) -> None:
    """Prints the table of one board unit."""
    print(chain[-1].unit.name)
