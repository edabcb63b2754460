"""What a check of a board, or of vendor tools, has found, with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found of one thing; remedy: what to do about a problem or a note."""

    level: Level
    what: str
    found: str
    remedy: str = ""
