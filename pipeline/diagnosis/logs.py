"""Reads logs as the hostile files they may be: of any size, in any encoding, or no text at all."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from pipeline.errors import PipelineError
from specs.paths import open_file, shown

LONGEST_LINE = 4000
"""Bytes of a line that are looked at; what follows counts as another line."""
MOST_BYTES = 64 << 20
"""Of a longer log, only the first and the last half of this is read."""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def lines(path: Path) -> Iterator[str]:
    """The lines of a log, without colours and control characters.

    Raises PipelineError if it cannot be read: a folder, a pipe, no such file.
    """
    try:
        with open_file(path) as opened:
            encoding = _MARKS.get(opened.peek(2)[:2], "utf-8")
            if encoding != "utf-8":
                yield from _plain(opened.read(MOST_BYTES).decode(encoding, "replace"))
                return
            for part in _raw(opened):
                yield from _plain(part.decode("utf-8", "replace"))
    except FileNotFoundError:
        raise PipelineError(f"{shown(path)}: no such file") from None
    except OSError as error:
        raise PipelineError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL byte in its name
        raise PipelineError(f"{shown(path)}: no file can have this name") from None


def _raw(opened: BufferedReader) -> Iterator[bytes]:
    size = os.fstat(opened.fileno()).st_size
    gap = size > MOST_BYTES
    while line := opened.readline(LONGEST_LINE):
        yield line
        if gap and opened.tell() >= MOST_BYTES // 2:
            opened.seek(size - MOST_BYTES // 2)
            opened.readline(LONGEST_LINE)  # it begins within a line
            gap = False


def _plain(text: str) -> Iterator[str]:
    for line in re.split(r"\r?\n|\r", text.removesuffix("\n").removesuffix("\r")):
        for start in range(0, max(1, len(line)), LONGEST_LINE):
            part = _COLOURS.sub("", line[start : start + LONGEST_LINE]).expandtabs(2)
            yield part if part.isprintable() else shown(part)
