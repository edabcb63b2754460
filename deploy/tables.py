"""What is shown of boards: tables of findings and of the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.job import Figure
from pipeline.tools.findings import Finding

WIDTH = 110
"""Width of the tables in characters if the output is not a terminal."""
_MARKS = {"ok": "[green]ok[/]", "pass": "[green]pass[/]", "note": "[dim]note[/]",
          "problem": "[red]problem[/]", "fail": "[red]FAIL[/]"}  # fmt: skip


def show_findings(host: str, findings: Iterable[Finding]) -> None:
    """Prints what was found on a board, with remedies."""
    rows = [(_MARKS[x.level], escape(x.what), escape(x.found), escape(x.remedy)) for x in findings]
    _show(host, ("", "", "found", "what to do"), rows)


def show_verdict(host: str, unit: str, verdict: Mapping[str, Any]) -> None:
    """Prints a verdict.json: each thing beside its prediction."""
    rows = [
        (
            _MARKS[row["judgement"]],
            escape(row["what"]),
            _figure(row["found"]),
            _figure(row["predicted"]),
            escape(row["why"]),
        )
        for row in verdict["rows"]
    ]
    heads = ("", "", "on the board", "predicted", "")
    _show(f"{unit} on {host}: {verdict['verdict']}", heads, rows)


def _figure(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return ""
    return f"{escape(str(Figure(**entry)))} [dim]{escape(str(entry['kind']))}[/]"


def _show(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    table = Table(title=escape(title), title_justify="left", pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, no_wrap=number < 2)
    for row in rows:
        table.add_row(*row)
    console.print(table)
