"""The table of docs/hostile.md: written by the tests, and held to what they find."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from pipeline import ROOT

FILE = ROOT / "docs" / "hostile.md"
UPDATE = "PIPELINE_UPDATE_HOSTILE"
"""Set to anything, the tests write their rows anew."""
_RULE = "|---|---|---|---|"
HEAD = f"""# Files that attack who reads them

Each row is a test (`tests/hostile/`): a file that a user may have downloaded is read as the
commands read it, in a process whose memory, time and new files are watched. It ends with one clear
error, within seconds, below 1 GiB, without running code of the file's and without a file outside of
the build folder. "Before" is what the same file did before this was looked after.

`{UPDATE}=1 .venv/bin/pytest tests/hostile` writes this file; the tests fail if it is not true.

| file | what is wrong with it | before | the error now |
{_RULE}
"""


@dataclass(frozen=True)
class Row:
    """kind: of the file, "QONNX" for one; now: words of the error."""

    kind: str
    case: str
    before: str
    now: str


def committed() -> list[Row]:
    """All rows."""
    if not FILE.exists():
        return []
    lines = FILE.read_text().splitlines()
    rows = lines[lines.index(_RULE) + 1 :]
    return [Row(*(cell.strip() for cell in line.strip("|").split(" | "))) for line in rows]


def write(kind: str, rows: Iterable[Row]) -> None:
    """Rows of one kind in the place of those that are there; the others stay."""
    kept = [row for row in committed() if row.kind != kind]
    by_kind = sorted([*kept, *rows], key=lambda row: row.kind)
    FILE.write_text(HEAD + "".join(f"| {' | '.join(astuple(row))} |\n" for row in by_kind))
