"""The rules of the log doctor, which are data: what a line of a log means, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal

import re2  # type: ignore[import-untyped]
from pydantic import Field, field_validator, model_validator

from pipeline.errors import SpecError, nearest
from specs.base import Identifier, Spec, read

OURS = Path(__file__).with_name("rules")
ANY = "any"
DERIVED = {
    "asked_mhz": "the clock that was asked for, from `period`",
    "passing_mhz": "the fastest clock that would pass, from `slack` and `period`",
    "short_ns": "by how much timing is missed, from `slack`",
    "excess": "`need` less `have`",
    "layer": "the layer of `cell`",
    "from_layer": "the layer of `from_cell`",
    "to_layer": "the layer of `to_cell`",
    "largest_layer": "the layer that takes most of `resource`, if there is a report by instance",
    "largest": "how much it takes",
}
"""What a text may name beside the groups of its rule's own patterns."""
_MOST_RULES = 500
_LONGEST_PATTERN = 2000


def compiled(pattern: str) -> Any:
    """A pattern of RE2, which needs linear time on any text. Raises ValueError if it is none."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else "it cannot be read"
        words = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
        raise ValueError(
            f"no regular expression of RE2 ({words}); RE2 has no look-around and no back-references"
        ) from None


class Rule(Spec):
    """What one line of a log means. Texts name groups of the patterns, or `DERIVED`, in braces."""

    name: Identifier
    pattern: str = Field(max_length=_LONGEST_PATTERN)
    """A regular expression (RE2) that is looked for in each line."""
    cause: str = Field(max_length=1000)
    remedy: str = Field(max_length=1000)
    source: str = Field(default="", max_length=500)
    """Where the line is known from: a public address."""
    example: str | None = Field(default=None, max_length=4000)
    """A real line, which the pattern has to match."""
    level: Literal["error", "warning", "harmless"] = "error"
    """error: why a run failed. warning: shown, though the run may go on. harmless: only counted."""
    fatal: bool = False
    """Whether a run that ended well cannot be used all the same."""
    details: tuple[str, ...] = Field(default=(), max_length=20)
    """Patterns for more lines, before or after. Each is looked for after the one before was found,
    and the first line counts."""
    more: tuple[str, ...] = Field(default=(), max_length=20)
    """More sentences for the cause. One that names a group that no line gave is left out."""
    follows: tuple[str, ...] = Field(default=(), max_length=50)
    """Rules whose finding is the real cause if both are found; "any": every other one."""

    @field_validator("pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        if compiled(value).search("") is not None:
            raise ValueError("it matches an empty line, and so every line")
        return value

    @field_validator("details")
    @classmethod
    def _details(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            cls._pattern(pattern)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        own = set(compiled(self.pattern).groupindex)
        known = own.union(DERIVED, *(compiled(detail).groupindex for detail in self.details))
        for field, text in (("cause", self.cause), ("remedy", self.remedy)):
            if missing := _fields(field, text) - own:
                raise ValueError(
                    f"{field}: {{{min(missing)}}} is no group of the pattern; "
                    f"{nearest(min(missing), own)}"
                )
        for text in self.more:
            if missing := _fields("more", text) - known:
                raise ValueError(
                    f"more: {{{min(missing)}}} is no group; {nearest(min(missing), known)}"
                )
        if self.example is not None and compiled(self.pattern).search(self.example) is None:
            raise ValueError("example: the pattern does not match it")
        return self


def _fields(field: str, text: str) -> set[str]:
    """What a text names in braces. Raises ValueError for anything but plain names."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{field}: {error} (a brace itself is written twice: {{{{)") from None
    found = set()
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if form or conversion or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
            raise ValueError(f"{field}: {{{name[:50]}}} is not the plain name of a group")
        found.add(name)
    return found


class RuleFile(Spec):
    """A file of rules: `[[rule]]` tables."""

    rule: tuple[Rule, ...] = Field(max_length=_MOST_RULES)

    @model_validator(mode="after")
    def _names(self) -> RuleFile:
        names = [rule.name for rule in self.rule]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rule: two are named {twice[0]}")
        return self


@cache
def ours() -> tuple[Rule, ...]:
    """The rules that come with the pipeline."""
    return tuple(rule for path in sorted(OURS.glob("*.toml")) for rule in read(RuleFile, path).rule)


def all_rules(own: Path | None = None) -> tuple[Rule, ...]:
    """The user's own rules, then ours. One of the same name replaces ours.

    Raises SpecError that names the file and every wrong field.
    """
    if own is None:
        return ours()
    first = read(RuleFile, own).rule
    names = {rule.name for rule in first}
    found = (*first, *(rule for rule in ours() if rule.name not in names))
    known = {ANY, *(rule.name for rule in found)}
    for rule in first:
        for name in rule.follows:
            if name not in known:
                raise SpecError(f"{own}: {rule.name}: follows {name!r}; {nearest(name, known)}")
    return found


class Matcher:
    """Finds which of many patterns match a line, in one pass over it."""

    def __init__(self, patterns: Sequence[str]) -> None:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = 128 << 20
        self._set = re2.Set.SearchSet(options)
        self._each = [compiled(pattern) for pattern in patterns]
        for pattern in patterns:
            self._set.Add(pattern)
        self._set.Compile()

    def matches(self, line: str) -> Iterable[tuple[int, dict[str, str]]]:
        """The number of each pattern that matches, in order, with the groups that it found."""
        for number in sorted(self._set.Match(line) or ()):
            found = self._each[number].search(line)
            groups = found.groupdict() if found is not None else {}
            yield number, {name: text for name, text in groups.items() if text is not None}
