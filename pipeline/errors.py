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
    """A ready sentence part: the nearest valid spelling if there is one, and what is allowed."""
    allowed = sorted(allowed)
    close = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}allowed: {', '.join(allowed)}"
