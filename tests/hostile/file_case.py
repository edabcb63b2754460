"""A hostile file of any kind: how it is made, and what its reader must report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import measure
from tests.hostile.measure import PEAK_MIB, Outcome


@dataclass(frozen=True)
class Case:
    """A hostile file. words: a part of its one error. before: what it did before there was a check.

    write: makes it in an empty folder, and returns the path to read.
    """

    name: str
    words: str
    before: str
    write: Callable[[Path], Path]


class Cases(dict[str, Case]):
    """Cases by name. The decorator `@cases(words, before)` makes a case of a function."""

    def __call__(
        self, words: str, before: str
    ) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
        def add(write: Callable[[Path], Path]) -> Callable[[Path], Path]:
            name = write.__name__.strip("_").replace("_", " ")
            self[name] = Case(name, words, before, write)
            return write

        return add

    def written(self, folder: Path) -> dict[str, Path]:
        """Writes each case in a folder of its own; returns the paths to read."""
        found = {}
        for number, (name, case) in enumerate(self.items()):
            own = folder / str(number)
            own.mkdir(parents=True)
            found[name] = case.write(own)
        return found


@dataclass(frozen=True)
class Told:
    """What one process said of each file that it read, and what it used for all of them."""

    by_case: dict[str, str]
    seconds: dict[str, float]
    outcome: Outcome


def read_all(
    folder: Path, module: str, words: dict[str, list[str]], first: tuple[str, ...] = ()
) -> Told:
    """Runs `python -m MODULE FIRST WORDS`, which prints a line of JSON for each case, in order."""
    arguments = [word for several in words.values() for word in several]
    outcome = measure.python(folder, module, *first, *arguments, seconds=300)
    lines = [json.loads(line) for line in outcome.text.splitlines() if '"told": ' in line]
    assert len(lines) == len(words), outcome.text[-3000:]
    told = dict(zip(words, lines, strict=True))
    return Told(
        {name: line["told"] for name, line in told.items()},
        {name: line["seconds"] for name, line in told.items()},
        outcome,
    )


def require_one_line(told: str, words: str) -> None:
    """Requires an error on one line that has `words` and no control characters."""
    assert words in told, told
    assert all(line.isprintable() for line in told.splitlines()), told
    assert len(told.splitlines()) <= 21, told
    assert len(told) < 5000, told


def require_little(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.text[-3000:]
    assert outcome.peak_mib < PEAK_MIB
    assert outcome.written == ()
