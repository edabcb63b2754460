"""The table of docs/deploy_faults.md. The tests can write it, and fail if it is not true."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from tests.deploy.faults import Outcome

FILE = Path(__file__).parents[2] / "docs" / "deploy_faults.md"
UPDATE = "PIPELINE_UPDATE_FAULTS"
"""If this variable is set to anything, the tests write the file anew."""
RULE = "|---|---|---|---|"
HEAD = f"""# What can go wrong on the way to a board

Each row is a test (`tests/deploy/`). A release is installed, then the fault strikes while another
is, and when it is gone the same command is given again. The first rows use a plain SSH server, the
others the virtual board. A release is on the board whole or not at all. Where ssh failed, its own
line follows what is shown here.

`{UPDATE}=1 .venv/bin/pytest tests/deploy` writes this file. The tests fail if a row is not true.

| fault | what the user sees | what is left on the board | the same command again |
{RULE}
"""


def line(fault: str, found: Outcome) -> str:
    cells = (fault, found.said, found.left, found.again)
    return f"| {' | '.join(cells)} |\n"


def committed() -> dict[str, Outcome]:
    """The rows of the file, by fault."""
    lines = FILE.read_text().splitlines()
    rows = [row.strip("|").split(" | ") for row in lines[lines.index(RULE) + 1 :]]
    return {cells[0].strip(): Outcome(*(cell.strip() for cell in cells[1:])) for cells in rows}


def write(rows: dict[str, Outcome]) -> None:
    FILE.write_text(HEAD + "".join(line(fault, found) for fault, found in rows.items()))


def hold(rows: dict[str, Outcome], faults: Collection[str], first: bool) -> None:
    """Asserts that the file has these faults. If it is to be written: with their new rows.

    first: they come before the rows of others.
    """
    if UPDATE in os.environ:
        assert rows.keys() == set(faults), "all of them have to run"
        kept = {name: row for name, row in committed().items() if name not in faults}
        write(rows | kept if first else kept | rows)
    assert set(faults) <= committed().keys()
