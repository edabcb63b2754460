"""Output in any encoding: a character that it does not have is replaced by a similar one."""

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
    """Lets standard output and error print any text, even names of files that are not UTF-8."""
    codecs.register_error(_NAME, _instead)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def _instead(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(sign: str) -> str:
    """A character in ASCII: a similar one if there is one, else Python's escape for it."""
    if "─" <= sign <= "╿":  # characters that draw tables
        return {"─": "-", "━": "-", "│": "|", "┃": "|"}.get(sign, "+")
    if "\udc80" <= sign <= "\udcff":  # a byte of a file's name that is not UTF-8
        return f"\\x{ord(sign) - 0xDC00:02x}"
    bare = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return _PLAIN.get(sign) or bare or sign.encode("ascii", "backslashreplace").decode()
