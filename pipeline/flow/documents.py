"""The JSON files of a build as models: what is in them is checked before it is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from pipeline.job import Metrics
from pipeline.tools.files import content, digest_of

MANIFEST, RUN = "manifest.json", "run.json"
BYPRODUCTS = ("logs", "tensorboard")
"""Folders of a stage that hold times and paths: kept, but never hashed and never an input."""

LARGEST_BYTES = 16 << 20
"""No document of a build comes near it; a larger file is none."""

SEAL = "seal"

DocumentT = TypeVar("DocumentT", bound="Document")


def _below(name: str) -> str:
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in name:
        raise ValueError("not a path below a folder")
    return name


def is_output(name: str) -> bool:
    """Whether a path below a stage's folder counts as an output.

    Names with a dot in front are of writes that were cut.
    """
    first = name.split("/", maxsplit=1)[0]
    return first not in (*BYPRODUCTS, MANIFEST, RUN) and not first.startswith(".")


def _output(name: str) -> str:
    if not is_output(_below(name)):
        raise ValueError("not a name of an output")
    return name


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Output = Annotated[str, AfterValidator(_output)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]+$"), AfterValidator(_below)]
Published = Annotated[str, Field(pattern=r"^[^/]+/[^/]+$"), AfterValidator(_below)]
"""A stage folder, from the build folder: <unit>/<stage>."""
Module = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$")]


class Document(BaseModel):
    """Of the fields and types here, and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Manifest(Document):
    """What a stage made, all of it a function of content."""

    unit: Name
    stage: Name
    version: int
    specs: dict[str, JsonValue]
    inputs: dict[Name, dict[Output, Digest]]
    digest: Digest
    """Of `version`, `specs` and `inputs`: all that decides the result."""
    outputs: dict[Output, Digest]
    metrics: Metrics
    seal: Digest
    """Of everything else here."""


class RunRecord(Document):
    """What a run's circumstances were, and the sizes and modification times of its outputs."""

    start: str = ""
    seconds: float = 0
    cpu_seconds: float = 0
    peak_memory_mib: int = 0
    host: str = ""
    platform: str = ""
    python: str = ""
    tools: dict[str, str] = {}
    argv: list[str] = []
    git: str | None = None
    outputs: dict[Output, tuple[int, int]] = {}


class JobFile(Document):
    """All that a stage is started with; paths are relative to the build folder."""

    stage: Name
    module: Module
    resumes: bool
    memory_mib: Annotated[int, Field(ge=0)]
    version: int
    unit: Name
    long_name: str
    files: list[Output]
    """What the stage declares to leave."""
    specs: dict[str, JsonValue]
    inputs: dict[Name, Published]
    settings: dict[str, JsonValue]


def read(model: type[DocumentT], path: Path) -> DocumentT | None:
    """The document in a file; None if there is none, or anything else."""
    text = content(path, LARGEST_BYTES)
    if text is None:
        return None
    try:
        document = model.model_validate_json(text)  # refuses deep nesting, too
        raw = json.loads(text, parse_constant=_no_number)
        whole = not isinstance(document, Manifest) or sealed(raw) == raw
    except ValueError:  # a ValidationError, no JSON, or not even text
        return None
    return document if whole else None


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """A manifest's fields, and over all of them a digest: else none would be over its figures."""
    rest = {name: value for name, value in document.items() if name != SEAL}
    return {**rest, SEAL: digest_of(rest)}
