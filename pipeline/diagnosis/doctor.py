"""Finds the root cause in the lines of logs, by rules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from pipeline.diagnosis.hierarchy import Hierarchy, Names
from pipeline.diagnosis.rules import ANY, Matcher, Rule, ours

_SEVERITY = re.compile(
    r"^\s*(?:\S+:\s+)?(ERROR|CRITICAL WARNING|WARNING): ?(\[[A-Za-z_:. ]+ ?[\d-]+\])?"
)
"""A message of the vendor's tools: its severity, and its number if it has one."""
_ECHO = re.compile(r"^\s*#(?! An unexpected error)")
"""A line of a script that the tool repeats, which is no message."""
_MOST_CAUSES = 6
_LONGEST_VALUE = 200
_LONGEST_SHOWN = 400


def nobody(path: str) -> str | None:
    """Knows no layer of any instance."""
    return None


@dataclass
class _Match:
    """What was found for one rule so far."""

    line: str
    number: int
    values: list[dict[str, str]] = field(default_factory=list)
    count: int = 0


@dataclass(frozen=True)
class Finding:
    """A rule that holds. causes: one sentence for each different line, and what more is known."""

    rule: Rule
    line: str
    number: int
    count: int
    causes: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class Diagnosis:
    """What the lines of a run say. errors: the findings that make a run fail, the root cause first.

    unknown: the first error line that no rule knows. others: how often each critical warning comes
    that no rule calls important. counts: how many messages there are of each severity.
    """

    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    unknown: str | None
    counts: Mapping[str, int]
    others: Mapping[str, int]

    @property
    def root(self) -> Finding | None:
        """The root cause; None if no rule knows it."""
        first = self.errors[0] if self.errors else None
        if first is not None and self.unknown is not None and ANY in first.rule.follows:
            return None  # it only says that something failed before, and that is the unknown line
        return first


def diagnose(
    lines: Iterable[str], rules: Sequence[Rule] | None = None, names: Names = nobody
) -> Diagnosis:
    """What the lines say, by these rules or by ours. names: from an instance to its layer."""
    reading = _Reading(tuple(ours() if rules is None else rules))
    for number, line in enumerate(lines, 1):
        reading.take(number, line)
    return reading.diagnosis(names)


@cache
def _matcher(rules: tuple[Rule, ...]) -> tuple[Matcher, list[tuple[Rule, int]]]:
    """All patterns of the rules, and for each its rule and number: -1, then those of details."""
    places = [(rule, part) for rule in rules for part in range(-1, len(rule.details))]
    patterns = [rule.pattern if part < 0 else rule.details[part] for rule, part in places]
    return Matcher(patterns), places


class _Reading:
    """What was found in the lines so far."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._matcher, self._places = _matcher(rules)
        self._rules = {rule.name: rule for rule in rules}
        self._found: dict[str, _Match] = {}
        self._details: dict[str, dict[str, str]] = {}
        self._next_detail: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._unknown: str | None = None
        self._hierarchy = Hierarchy()

    def take(self, number: int, line: str) -> None:
        self._hierarchy.line(line)
        if not line or _ECHO.match(line):
            return
        known = self._match(number, line)
        head = _SEVERITY.match(line)
        if head is None:
            return
        severity, message = head.groups()
        self._counts[severity] += 1
        if severity == "ERROR" and (known is None or known.level != "error"):
            self._unknown = self._unknown or line.strip()[:_LONGEST_SHOWN]
        if severity == "CRITICAL WARNING" and (known is None or known.level == "harmless"):
            self._others[message or "without a number"] += 1

    def _match(self, number: int, line: str) -> Rule | None:
        """Keeps what the rules find in a line; returns the rule that has the line."""
        known: Rule | None = None
        for place, values in self._matcher.matches(line):
            rule, part = self._places[place]
            if part < 0 and known is None:
                known = rule
                match = self._found.setdefault(rule.name, _Match(line.strip(), number))
                match.count += 1
                if len(match.values) < _MOST_CAUSES and values not in match.values:
                    match.values.append(values)
            elif part >= 0 and part == self._next_detail[rule.name]:
                self._next_detail[rule.name] += 1
                self._details.setdefault(rule.name, {}).update(values)
        return known

    def diagnosis(self, names: Names) -> Diagnosis:
        findings = [
            _finding(self._rules[name], match, self._details.get(name, {}), self._hierarchy, names)
            for name, match in self._found.items()
        ]
        errors = _ordered([finding for finding in findings if finding.rule.level == "error"])
        warnings = tuple(finding for finding in findings if finding.rule.level == "warning")
        return Diagnosis(errors, warnings, self._unknown, self._counts, self._others)


def _ordered(errors: list[Finding]) -> tuple[Finding, ...]:
    """The causes in the order of their lines, then what only followed from others."""
    names = {finding.rule.name for finding in errors}
    causes = {finding.rule.name for finding in errors if ANY not in finding.rule.follows}

    def consequence(finding: Finding) -> bool:
        follows = finding.rule.follows
        real = causes if ANY in follows else names.intersection(follows)
        return bool(real - {finding.rule.name})

    return tuple(sorted(errors, key=consequence))


def _finding(
    rule: Rule, match: _Match, details: dict[str, str], hierarchy: Hierarchy, names: Names
) -> Finding:
    sentences = [rule.cause.format_map(_Said(_short(values))) for values in match.values]
    known = _derived({**details, **match.values[0]}, hierarchy, names)
    for text in rule.more:
        try:
            sentences.append(text.format_map(_short(known)))
        except KeyError:
            continue  # no line gave it
    causes = tuple(dict.fromkeys(sentences))
    remedy = rule.remedy.format_map(_Said(_short(match.values[0])))
    return Finding(rule, match.line[:_LONGEST_SHOWN], match.number, match.count, causes, remedy)


class _Said(dict[str, str]):
    """Groups for a text. An optional one that took no part in the match is a question mark."""

    def __missing__(self, name: str) -> str:
        return "?"


def _short(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value.strip()[:_LONGEST_VALUE] for name, value in values.items()}


def _derived(values: dict[str, str], hierarchy: Hierarchy, names: Names) -> dict[str, str]:
    """The values with all of `rules.DERIVED` that follows from them."""
    found = dict(values)
    for group, layer in (("cell", "layer"), ("from_cell", "from_layer"), ("to_cell", "to_layer")):
        if (name := names(values.get(group, ""))) is not None:
            found[layer] = name
    slack, period = _number(values.get("slack")), _number(values.get("period"))
    if slack is not None:
        found["short_ns"] = f"{abs(slack):g}"
    if period:
        found["asked_mhz"] = f"{1000 / period:.5g}"
    if slack is not None and period is not None and period - slack > 0:
        found["passing_mhz"] = f"{int(1000 / (period - slack))}"
    need, have = _number(values.get("need")), _number(values.get("have"))
    if need is not None and have is not None:
        found["excess"] = f"{need - have:g}"
    if (best := hierarchy.largest(values.get("resource", ""), names)) is not None:
        found["largest_layer"], found["largest"] = best[0], f"{best[1]:g}"
    return found


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text.replace(",", ""))
    except ValueError:
        return None
