"""The table of docs/reports.md. The tests can write it, and fail if it is not what they find."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.reports.kinds import Kind

FILE = Path(__file__).parents[2] / "docs" / "reports.md"
UPDATE = "PIPELINE_UPDATE_REPORTS"
"""If this variable is set to anything, the tests write the file anew."""
BUILDS = "builds"

HEAD = f"""# Other people's networks

Each row is a kind of network that users of FINN, FINN+, Brevitas, qonnx and hls4ml file reports
about. *Reported as* names such a report, by the number of its issue or pull request; – means that
none was found. Small networks of each kind in several forms are built by `tests/reports/`. Those
that build are executed from their raw file by qonnx' own executor, and the integer graph gives the
same scores. FINN's execution of its own graph gives the same streams, and so does the Verilog with
a random fold, with and without stalls. For the others the table has the beginning of the refusal.

`{UPDATE}=1 .venv/bin/pytest tests/reports` writes this file. The tests fail if a row is not true.

| kind | reported as | before | forms | now |
|---|---|---|---|---|
"""


def text(kinds: Iterable[Kind], found: dict[tuple[str, str], str]) -> str:
    """The page. found: by kind and form, what happened."""
    return HEAD + "".join(line for kind in kinds for line in _lines(kind, found))


def _lines(kind: Kind, found: dict[tuple[str, str], str]) -> Iterable[str]:
    """A line for each outcome of a kind; only the first one has the kind's name."""
    outcomes: dict[str, list[str]] = {}
    for form in kind.forms:
        outcomes.setdefault(found[kind.what, form.name], []).append(form.name)
    head = [kind.what, kind.reported, kind.did]
    for outcome, names in outcomes.items():
        cells = [*head, "; ".join(names), outcome]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
        head = ["", "", ""]
