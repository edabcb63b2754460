"""The table of docs/faults.md: written by the tests, and held to what they find."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[2] / "docs" / "faults.md"
UPDATE = "PIPELINE_UPDATE_FAULTS"
"""Set to anything, the tests write the file anew."""

HEAD = f"""# What a fault costs

Each row is a test on the real stages of a tiny network (`tests/faults/`): a build is disturbed, the
same command is given again, and every manifest is compared byte for byte with an undisturbed
build's. A manifest holds the digests of all outputs. What was finished is never repeated.

`{UPDATE}=1 .venv/bin/pytest tests/faults` writes this file; the tests fail if it is not true.

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
