"""What a stage is handed, and what it hands back."""

from __future__ import annotations

import hashlib
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

Kind = Literal["estimated", "simulated", "synthesised", "implemented", "measured"]
T = TypeVar("T")
SCRATCH = "work"

PROGRESS = "@progress "
"""Begins a line on a stage's standard output that is for the console, not only for the log."""


@dataclass(frozen=True)
class Figure:
    """A number that carries its unit and its kind. Never a time, host or path: see run.json."""

    value: float | int | str
    unit: str
    kind: Kind

    def __str__(self) -> str:
        number = self.value
        if isinstance(number, float):
            number = f"{number:,.0f}" if number.is_integer() else f"{number:,.4g}"
        elif isinstance(number, int):
            number = f"{number:,}"
        return f"{number} {self.unit}".strip()


Metrics = dict[str, Figure]


@dataclass(frozen=True)
class Job:
    """One stage of one unit, complete: `python -m pipeline.flow.run <file>` replays it.

    specs: the slice of the specs this stage declared, by dotted path ("network.model").
    inputs: published folder of each stage it needs. folder: the partial folder it writes into;
    it may hold what a cut run of the same job left. settings: machine matters, never results.
    """

    stage: str
    unit: str
    specs: Mapping[str, Any]
    inputs: Mapping[str, Path]
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    """Spec paths that `spec` was asked for: what is declared and never read must not rebuild."""

    @property
    def cache(self) -> Path:
        """What units share and anybody may delete: compiled run-time code, netlist counts."""
        return self.folder.parents[1] / ".cache"

    def own_file(self, sha256: str) -> Path:
        """The user's file of this content. PipelineError: it is gone, or holds something else."""
        place = self.settings.get("files", {}).get(sha256)
        path = Path(place) if place else None
        if path is None or not path.is_file():
            raise PipelineError(f"{path or 'a file of sha256 ' + sha256}: no such file any more")
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise PipelineError(f"{path}: it was changed meanwhile; run it again")
        return path

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for what is not an output, gone when the work is done.

        After a failure it stays in the partial folder, so that the logs an error names are there.
        """
        folder = self.folder / SCRATCH
        remove(folder)
        folder.mkdir()
        yield folder
        shutil.rmtree(folder)

    def spec(self, path: str, kind: type[T]) -> T:
        """The declared spec value at `path`, as `kind`. KeyError: the stage never declared it."""
        self.read.add(path)
        return TypeAdapter(kind).validate_python(self.specs[path], strict=False)


def progress(text: str, share: float | None = None) -> None:
    """Shows one line of progress on the console; `share` in [0, 1] of the stage's work."""
    sys.stdout.write(PROGRESS + json.dumps({"text": text, "share": share}) + "\n")
    sys.stdout.flush()
