"""The errors a user can meet. Their text is what the user reads; none of them shows a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PipelineError(Exception):
    """Something the user can act on: what is wrong, where, what is allowed, what to do."""


class SpecError(PipelineError):
    """A specification or a command-line variable is wrong: file, field, value, what is allowed."""


class MissingTool(PipelineError):
    """A program is not there: which one, and how to get it."""


class ToolError(PipelineError):
    """A program failed: its name, exit code, first error lines, where the whole log is."""


class VerificationError(PipelineError):
    """Two levels of the same network disagree: the first layer and element that differ."""


class DoesNotFit(PipelineError):
    """The design exceeds the board: resource, need, have, what would fit."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """A ready sentence part: the nearest valid spellings if there are any, and what is allowed."""
    allowed = sorted(allowed)
    close = difflib.get_close_matches(word, allowed, n=3, cutoff=0.5)
    best = [name for name in close if _likeness(name, word) == _likeness(close[0], word)]
    hint = f"did you mean {' or '.join(map(repr, sorted(best)))}? " if best else ""
    return f"{hint}allowed: {', '.join(allowed)}"


def _likeness(name: str, word: str) -> float:
    return difflib.SequenceMatcher(None, word, name).ratio()
