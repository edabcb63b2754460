"""The table of docs/faults.md. The tests can write it, and fail if it is not what they find."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[2] / "docs" / "faults.md"
UPDATE = "PIPELINE_UPDATE_FAULTS"
"""If this variable is set to anything, the tests write the file anew."""

HEAD = f"""# What a fault costs

Each row is a test on the real stages of a tiny network (`tests/faults/`). The test disturbs a
build, gives the same command again, and compares every manifest byte for byte with that of an
undisturbed build. A manifest holds the digests of all outputs. The column *repeated* names the
stages that ran again: never one that was finished and intact.

`{UPDATE}=1 .venv/bin/pytest tests/faults` writes this file. The tests fail if a row is not true.

| fault | stage | when | repeated | result equal |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    fault: str
    stage: str
    when: str
    repeated: str
    equal: str

    def line(self) -> str:
        return f"| {self.fault} | {self.stage} | {self.when} | {self.repeated} | {self.equal} |\n"


def write(rows: list[Row]) -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(HEAD + "".join(row.line() for row in rows))


def committed() -> list[Row]:
    lines = FILE.read_text().splitlines()
    start = lines.index("|---|---|---|---|---|") + 1
    return [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines[start:]]
