"""The errors that a user can meet. The user reads their text and never sees a traceback of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PipelineError(Exception):
    """The user can fix this. The text says what is wrong, where, what is allowed and what to do."""


class SpecError(PipelineError):
    """A spec or a command-line variable is wrong: file, field, value, and what is allowed."""


class MissingTool(PipelineError):
    """A program is not installed: which one, and how to get it."""


class ToolError(PipelineError):
    """A program failed: its name, exit code and first error lines, and the path of its log.

    code: its exit code; None if it was ended here, or ended by a signal.
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class VerificationError(PipelineError):
    """Two levels of the same network differ: the first layer and element that do."""


class Planned(PipelineError):
    """Nothing was run, because only the plan was asked for (dry_run=yes): the text of the plan."""


class DoesNotFit(PipelineError):
    """The design is too large for the board: which resource, need, have, and what would fit."""


class BoardError(PipelineError):
    """A board cannot be reached, or does not do what it should: which, why, and what to do."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Part of an error message: the valid names most like `word`, if any, and all allowed ones."""
    allowed = sorted(allowed)
    close = difflib.get_close_matches(word, allowed, n=3, cutoff=0.5)
    best = [name for name in close if _likeness(name, word) == _likeness(close[0], word)]
    hint = f"did you mean {' or '.join(map(repr, sorted(best)))}? " if best else ""
    return f"{hint}allowed: {', '.join(allowed)}"


def _likeness(name: str, word: str) -> float:
    return difflib.SequenceMatcher(None, word, name).ratio()
