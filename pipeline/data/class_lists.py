"""Reads the CSV file that gives the class of each image of a folder, as GTSRB's test set has it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.errors import PipelineError
from specs.paths import read_file, shown

FILE_COLUMNS, CLASS_COLUMNS = ("filename", "path", "file", "image"), ("classid", "class", "label")
"""The names that the two columns may have, in any case."""
WANTED = (
    "a CSV file with a line for each image, separated by commas, semicolons or tabs, and a first "
    "line that names the columns: Filename (or Path) and ClassId"
)
_SEPARATORS = ";,\t"
_GREATEST = 1 << 25
"""The largest file that is read, in bytes: half a million lines."""
_TOLD = 5
"""How many names of a kind an error lists."""
_LONGEST = 80
_DIGITS = 18


class _NotThis(Exception):
    """The file is no list of these images; the text is the reason."""


@dataclass(frozen=True)
class _Table:
    path: Path
    rows: list[tuple[int, str, str]]
    """Line, name of the image and class of each image of the folder."""


def classes_of(images: list[Path], root: Path, classes: list[str]) -> list[int]:
    """The number of the class of each image. All images lie in one folder below `root`.

    The list lies beside the images, or in a folder above them up to `root`. A class is named as in
    `classes`; numbers may have other leading zeros. PipelineError: there is no such list or several
    in one folder, or it does not name each image once and with a known class.
    """
    table = _table(images, root)
    known = {name.name: index for index, name in enumerate(images)}
    labels = {name: label for label, name in enumerate(classes)}
    numbers = {_plain(name): label for name, label in labels.items()}
    if len(numbers) < len(labels):
        numbers = {}  # folders like 1 and 01: only exact names tell them apart
    found: dict[int, int] = {}
    absent = []
    for line, name, word in table.rows:
        where = f"{shown(table.path)}, line {line}"
        if name not in known:
            absent.append(name)
            continue
        if known[name] in found:
            raise PipelineError(f"{where}: {_short(name)} is named a second time; keep one line")
        label = labels.get(word, numbers.get(_plain(word)))
        if label is None:
            raise PipelineError(
                f"{where}: class {_short(word)!r}: no folder of the training images has this name; "
                f"there are {_listed(classes)}"
            )
        found[known[name]] = label
    if absent:
        raise PipelineError(
            f"{shown(table.path)}: names images that are not there: {_listed(absent)}; add them to "
            f"{shown(images[0].parent)}, or take their lines out"
        )
    if missing := [path.name for index, path in enumerate(images) if index not in found]:
        raise PipelineError(
            f"{shown(table.path)}: {len(missing):,} of {len(images):,} images have no line: "
            f"{_listed(missing)}; add lines for them, or remove them"
        )
    return [found[index] for index in range(len(images))]


def candidates(folder: Path, root: Path) -> Iterator[list[Path]]:
    """The CSV files in the folder of the images, and in each folder above it up to `root`."""
    for place in (folder, *folder.parents):
        try:
            files = [path for path in place.iterdir() if path.suffix.lower() == ".csv"]
        except OSError as error:
            raise PipelineError(f"{place}: cannot be read: {error.strerror}") from None
        yield sorted(path for path in files if not path.name.startswith("."))
        if place == root:
            return


def _table(images: list[Path], root: Path) -> _Table:
    """The nearest list of these images."""
    folder = images[0].parent
    names = {path.name for path in images}
    reasons = []
    for files in candidates(folder, root):
        tables = []
        for path in files:
            try:
                tables.append(_read(path, folder, names))
            except _NotThis as reason:
                reasons.append(f"{shown(path.relative_to(root))}: {reason}")
        if len(tables) > 1:
            raise PipelineError(
                f"{shown(folder)}: {' and '.join(shown(table.path.name) for table in tables)} both "
                "name its images; keep one of them"
            )
        if tables:
            return tables[0]
    seen = f"; {'; '.join(reasons[:_TOLD])}" if reasons else ""
    raise PipelineError(
        f"{shown(folder)}: has images but no folders of classes. Give each class a folder, or put "
        f"beside the images {WANTED}{seen}"
    )


def _read(path: Path, folder: Path, names: set[str]) -> _Table:
    """The lines of a CSV file that are about images of the folder."""
    try:
        text = read_file(path, _GREATEST).decode("utf-8-sig")
    except OSError as error:
        raise _NotThis(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _NotThis("no text in UTF-8") from None
    header = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = [word.strip().lower() for word in next(lines, [])]
        name_at, class_at = _column(columns, FILE_COLUMNS), _column(columns, CLASS_COLUMNS)
        rows = []
        for row in lines:
            if not row:
                continue
            if len(row) != len(columns):
                raise PipelineError(
                    f"{shown(path)}, line {lines.line_num}: {len(row)} values, and the first line "
                    f"names {len(columns)} columns"
                )
            name = _name(row[name_at], folder)
            if name is not None:
                rows.append((lines.line_num, name, row[class_at].strip()))
    except csv.Error as error:
        raise PipelineError(f"{shown(path)}, line {lines.line_num}: no CSV: {error}") from None
    if not any(name in names for _, name, _ in rows):
        raise _NotThis("names none of the images")
    return _Table(path, rows)


def _column(columns: list[str], wanted: tuple[str, ...]) -> int:
    for name in wanted:
        if name in columns:
            return columns.index(name)
    raise _NotThis(f"has no column {' or '.join(wanted)}")


def _name(written: str, folder: Path) -> str | None:
    """The name of the file, from a name or a path; None: it lies in another folder."""
    *above, name = PurePosixPath(written.strip().replace("\\", "/")).parts or [""]
    return name if not above or above[-1].lower() == folder.name.lower() else None


def _plain(word: str) -> str:
    """A number without its leading zeros; any other word unchanged."""
    if word.isascii() and word.isdecimal() and len(word) <= _DIGITS:
        return str(int(word))
    return word


def _short(word: str) -> str:
    return shown(word[:_LONGEST])


def _listed(names: list[str]) -> str:
    more = [f"and {len(names) - _TOLD:,} more"] if len(names) > _TOLD else []
    return ", ".join([*map(_short, names[:_TOLD]), *more])
