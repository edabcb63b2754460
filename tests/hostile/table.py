"""The table of docs/hostile.md. The tests write it, and compare it with what they find."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from pipeline import ROOT

FILE = ROOT / "docs" / "hostile.md"
UPDATE = "PIPELINE_UPDATE_HOSTILE"
"""If this variable of the environment is set, the tests write their rows anew."""
_RULE = "|---|---|---|---|"
HEAD = f"""# Protection from hostile files

A file that a user has downloaded may be made to attack the program that reads it: to run code, to
use up memory or time, or to crash it. Each row of the table is a test in `tests/hostile/` of such a
file, or of a name that is no proper path. The test reads it as the commands do, in a process whose
memory, time and new files are measured. Each file must be refused with one clear error, within
seconds, with less than 1 GiB of memory, without running code from the file and without writing
outside the build folder.

"Before" is what the file did before the pipeline had a check against it. "The error now" is a part
of the error with which it is refused today.

The tests write this table, and fail if it differs from what they find. To write it anew:
`{UPDATE}=1 .venv/bin/pytest tests/hostile`.

| kind | what is wrong with it | before | the error now |
{_RULE}
"""


@dataclass(frozen=True)
class Row:
    """A row of the table. kind: of the file, e.g. "QONNX". now: words of the present error."""

    kind: str
    case: str
    before: str
    now: str


def committed() -> list[Row]:
    """All rows of the committed table."""
    if not FILE.exists():
        return []
    lines = FILE.read_text().splitlines()
    rows = lines[lines.index(_RULE) + 1 :]
    return [Row(*(cell.strip() for cell in line.strip("|").split(" | "))) for line in rows]


def write(kind: str, rows: Iterable[Row]) -> None:
    """Replaces the rows of one kind. All others stay."""
    kept = [row for row in committed() if row.kind != kind]
    by_kind = sorted([*kept, *rows], key=lambda row: row.kind)
    FILE.write_text(HEAD + "".join(f"| {' | '.join(astuple(row))} |\n" for row in by_kind))
