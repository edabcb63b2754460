"""Text for a terminal or file of any encoding: what it has no sign for is shown by another."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

_PLAIN = {
    "·": "-", "–": "-", "—": "-", "−": "-", "×": "x", "→": "->", "≤": "<=", "≥": ">=", "…": "...",
    "‘": "'", "’": "'", "“": '"', "”": '"', "ß": "ss", "æ": "ae", "ø": "o", "µ": "u",
}  # fmt: skip
_NAME = "pipeline.readable"


def readable() -> None:
    """Lets standard output and error print anything, names of files that are no UTF-8 included."""
    codecs.register_error(_NAME, _instead)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def _instead(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(sign: str) -> str:
    """A sign in ASCII: alike if there is one, else its number, as Python writes it."""
    if "─" <= sign <= "╿":  # lines of tables
        return {"─": "-", "━": "-", "│": "|", "┃": "|"}.get(sign, "+")
    if "\udc80" <= sign <= "\udcff":  # a byte of a file's name
        return f"\\x{ord(sign) - 0xDC00:02x}"
    bare = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return _PLAIN.get(sign) or bare or sign.encode("ascii", "backslashreplace").decode()
