"""Says in words what a diagnosis found: in the error of a failed run, and for any log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from pipeline.diagnosis.doctor import Diagnosis, Finding, diagnose, nobody
from pipeline.diagnosis.hierarchy import Names
from pipeline.diagnosis.logs import lines
from pipeline.diagnosis.rules import Rule
from pipeline.errors import PipelineError, ToolError

_KEPT = ("  whole log: ", "  run it again by hand: ")
"""The lines of a ToolError that stay in any case."""
_MOST_OTHERS = 5
_MOST_ALSO = 4


def explained(
    error: ToolError,
    logs: Sequence[Path],
    names: Names = nobody,
    rules: Sequence[Rule] | None = None,
    tool: str | None = None,
) -> ToolError:
    """The error of a failed run of a tool with its root cause and remedy, if a rule knows it.

    logs: those of the run, the most telling first, and reports beside them; any may be missing.
    names: from an instance's path in the netlist to the id of its layer. tool: the name of the
    tool, if it ran within a script or behind another program.
    """
    own = str(error).splitlines() or [""]
    if tool is not None:
        own[0] = re.sub(r"^\S+ failed \(", f"{tool} failed (", own[0])
    words = [line.removeprefix("  | ") for line in own]
    told = diagnose(chain(words, *map(_lines, logs)), rules, names)
    kept = [line for line in own if line.startswith(_KEPT)]
    first = next((log for log in logs if log.is_file()), None)
    if first is not None and not any(line.startswith(_KEPT[0]) for line in kept):
        kept.insert(0, f"{_KEPT[0]}{first}")
    root = told.root
    if root is None:
        said = [line for line in own if line not in kept]
        if told.unknown is not None and not any(told.unknown in line for line in said):
            said.append(f"  | {told.unknown}")
        return ToolError("\n".join([*said, *_beside(told), *kept, _UNKNOWN]), error.code)
    head = own[0].rstrip(": ")
    text = [f"{head}: {root.causes[0]}", *(f"  {cause}" for cause in root.causes[1:])]
    text.append(f"  what to do: {root.remedy}")
    if root.line not in own[0]:
        text.append(f"  | {root.line}")
    text += [f"  also: {other.causes[0]}" for other in _also(told)]
    text += [f"  also, and known to no rule: {told.unknown}"] if told.unknown is not None else []
    return ToolError("\n".join([*text, *_beside(told), *kept]), error.code)


def unusable(told: Diagnosis, tool: str, log: Path) -> ToolError | None:
    """The error of a run that ended well, but whose result is worth nothing; None if it is not."""
    found = next((finding for finding in told.errors if finding.rule.fatal), None)
    if found is None:
        return None
    text = [f"{tool} ended with exit code 0, but its result cannot be used: {found.causes[0]}"]
    text += [f"  {cause}" for cause in found.causes[1:]]
    text += [f"  what to do: {found.remedy}", f"  | {found.line}", f"{_KEPT[0]}{log}"]
    return ToolError("\n".join(text), 0)


def remarks(told: Diagnosis) -> list[str]:
    """What is told of a run that ended well: the warnings that matter, and how many others."""
    found = [f"{finding.causes[0]} {finding.remedy}" for finding in told.warnings]
    if others := sum(told.others.values()):
        found.append(f"{others} critical warnings that no rule calls important")
    return found


_UNKNOWN = (
    "  no rule of the log doctor knows this; ./doit explain LOG shows what it sees in a log, and a "
    "rule of your own can be added (docs/vivado.md)"
)


def _lines(log: Path) -> Iterator[str]:
    """The lines of a log; none if it cannot be read, since the run's own error must be told."""
    try:
        yield from lines(log)
    except PipelineError:
        return


def _also(told: Diagnosis) -> list[Finding]:
    """Other causes beside the root; not what only followed from it."""
    return [finding for finding in told.errors[1:] if not finding.rule.follows][:_MOST_ALSO]


def _beside(told: Diagnosis) -> Iterator[str]:
    for finding in told.warnings:
        yield f"  beside it: {finding.causes[0]} {finding.remedy}"
    if others := sum(told.others.values()):
        yield f"  and {others} critical warnings that no rule calls important"


def explanation(told: Diagnosis, where: str) -> str:
    """A whole diagnosis for the console. where: what was read."""
    return "\n".join(_explanation(told, where))


def _explanation(told: Diagnosis, where: str) -> Iterable[str]:
    yield f"{where}:"
    root = told.root
    if root is not None:
        yield from _told("cause", root)
        for finding in told.errors[1:]:
            what = "followed" if finding.rule.follows else "also"
            yield from _told(what, finding, brief=True)
        if told.unknown is not None:
            yield f"  also, and known to no rule: {told.unknown}"
    elif told.unknown is not None:
        yield "  no rule knows the first error:"
        yield f"    {told.unknown}"
        for finding in told.errors:
            yield from _told("followed", finding, brief=True)
    else:
        yield "  no error is in it that a rule knows, and no line that begins with ERROR"
    for finding in told.warnings:
        yield from _told("warning", finding)
    counted = ", ".join(
        f"{count:,} × {name.lower()}" for name, count in sorted(told.counts.items())
    )
    yield f"  messages: {counted or 'none'}"
    if told.others:
        most = sorted(told.others.items(), key=lambda item: (-item[1], item[0]))
        names = ", ".join(f"{name} {count}" for name, count in most[:_MOST_OTHERS])
        rest = f", and {len(most) - _MOST_OTHERS} more kinds" if len(most) > _MOST_OTHERS else ""
        yield f"  critical warnings that no rule calls important: {names}{rest}"


def _told(what: str, finding: Finding, *, brief: bool = False) -> Iterator[str]:
    times = f" ({finding.count} times)" if finding.count > 1 else ""
    yield f"  {what}: {finding.causes[0]}{times}"
    if brief:
        return
    yield from (f"    {cause}" for cause in finding.causes[1:])
    yield f"    what to do: {finding.remedy}"
    yield f"    line {finding.number:,}: {finding.line}"
    if finding.rule.source:
        yield f"    known from: {finding.rule.source}"
