"""What a stage gets (a job) and what it returns (figures)."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

from pipeline.errors import PipelineError
from pipeline.tools.files import remove
from specs import paths

Kind = Literal["estimated", "simulated", "synthesised", "implemented", "measured"]
T = TypeVar("T")
SCRATCH = "work"
NOTES = "logs/notes.txt"
"""In a stage's folder: what is shown below its line once it has run, though all went well."""

PROGRESS = "@progress "
"""Prefix of the lines of a stage's standard output that also go to the console, not only to the
log."""


@dataclass(frozen=True)
class Figure:
    """A number with its unit and its kind.

    Never a time, host or path: those go to run.json.
    """

    value: float | int | str
    unit: str
    kind: Kind

    def __str__(self) -> str:
        number = self.value
        if self.unit == "%" and not isinstance(number, str):
            number = f"{number:.2f}"
        elif isinstance(number, float):
            whole = number.is_integer() or abs(number) >= 1000
            number = f"{number:,.0f}" if whole else f"{number:,.4g}"
        elif isinstance(number, int):
            number = f"{number:,}"
        return f"{number} {self.unit}".strip()


Metrics = dict[str, Figure]


@dataclass(frozen=True)
class Job:
    """All that one stage of one unit needs; `python -m pipeline.flow.run <file>` runs it.

    specs: the spec fields that the stage declared, by dotted path ("network.model"). inputs: the
    published folder of each stage that it needs. folder: the partial folder that it writes into; it
    may contain what an interrupted run of the same job left. settings: those of this machine, which
    never change a result.
    """

    stage: str
    unit: str
    specs: Mapping[str, Any]
    inputs: Mapping[str, Path]
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    """The spec paths that the stage has read. A declared path that is never read is an error,
    because it would cause rebuilds for nothing."""

    @property
    def cache(self) -> Path:
        """Folder for what units share and anybody may delete: compiled code, layers' resources."""
        return self.folder.parents[1] / ".cache"

    def own_file(self, sha256: str) -> Path:
        """Path of the user's file with this sha256.

        Raises PipelineError if the file is gone or has changed.
        """
        place = self.settings.get("files", {}).get(sha256)
        if not place:
            raise PipelineError(f"a file of sha256 {sha256}: the job does not say where it lies")
        try:
            found = paths.sha256(Path(place))
        except OSError as error:
            raise PipelineError(f"{place}: no such file any more: {error.strerror}") from None
        if found != sha256:
            raise PipelineError(f"{place}: it was changed meanwhile; run it again")
        return Path(place)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for temporary files, which is deleted at the end.

        After a failure it stays, so that the logs that an error names can be read.
        """
        folder = self.folder / SCRATCH
        remove(folder)
        folder.mkdir()
        yield folder
        shutil.rmtree(folder)

    def note(self, text: str) -> None:
        """Adds a line that is shown once the stage has run, though all went well."""
        path = self.folder / NOTES
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(" ".join(text.split()) + "\n")

    def spec(self, path: str, kind: type[T]) -> T:
        """The value of the spec field at `path`, validated as type `kind`.

        Raises KeyError if the stage did not declare the field.
        """
        self.read.add(path)
        return TypeAdapter(kind).validate_python(self.specs[path], strict=False)


def progress(text: str, share: float | None = None) -> None:
    """Shows a line of progress on the console. `share`: the part of the work done, in [0, 1]."""
    sys.stdout.write(PROGRESS + json.dumps({"text": text, "share": share}) + "\n")
    sys.stdout.flush()
