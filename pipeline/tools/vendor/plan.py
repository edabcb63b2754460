"""A run of a vendor tool as a value, complete before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.tools.files import digest_of

RUN = ".run"
"""The folder within a work folder that belongs to the executor. A plan puts nothing there."""


@dataclass(frozen=True)
class Plan:
    """One run of a vendor tool. Tests compare it with golden files.

    name: "synth", "implement", "hls.MVAU_hls_0"; also the stem of its log. files: what is written
    into the work folder before the run, by relative name. argv: the tool's command, run in the work
    folder; its first word is the tool's name without a path ("vivado", "vitis_hls", "vitis-run").
    reads: files and folders outside the work folder that the tool reads. inputs: the sha256 of what
    it reads, by name; these are part of the digest, paths of this machine are not. products: the
    relative names of what must be there afterwards.
    """

    name: str
    files: Mapping[str, str]
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[Path, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    products: tuple[str, ...] = ()
    memory_mib: int = 4096

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.name):
            raise ValueError(f"plan {self.name!r}: a name has only letters, digits, '_', '.', '-'")
        if not self.argv or "/" in self.argv[0]:
            raise ValueError(f"plan {self.name}: argv begins with the name of a tool")
        for name in (*self.files, *self.products):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0] == RUN:
                raise ValueError(f"plan {self.name}: {name!r} is not within the work folder")
        for name in self.environment:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"plan {self.name}: {name!r} is not the name of a variable")

    def digest(self) -> str:
        """The sha256 of all that decides the result: the same on every machine."""
        return digest_of(
            {
                "name": self.name,
                "files": dict(self.files),
                "argv": list(self.argv),
                "environment": dict(self.environment),
                "inputs": dict(self.inputs),
            }
        )
