"""The JSON files of a build as pydantic models. Their content is checked before it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from pipeline.job import Metrics
from pipeline.tools.files import content, digest_of

MANIFEST, RUN = "manifest.json", "run.json"
BYPRODUCTS = ("logs", "tensorboard")
"""Folders of a stage whose files hold times and paths. They are kept, but never hashed, and are no
input of another stage."""

LARGEST_BYTES = 16 << 20
"""A larger file is not read: no document of a build comes near this size."""

SEAL = "seal"

DocumentT = TypeVar("DocumentT", bound="Document")


def _below(name: str) -> str:
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in name:
        raise ValueError("not a path below a folder")
    return name


def is_output(name: str) -> bool:
    """Whether a path, relative to a stage's folder, counts as an output.

    Names that begin with a dot do not: interrupted writes leave such files.
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
"""The path of a stage's folder, relative to the build folder: <unit>/<stage>."""
Module = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$")]


class Document(BaseModel):
    """A JSON document with exactly the declared fields and types; any other is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Manifest(Document):
    """What a stage made, and from what. It depends on content only, not on times or paths."""

    unit: Name
    stage: Name
    version: int
    specs: dict[str, JsonValue]
    inputs: dict[Name, dict[Output, Digest]]
    digest: Digest
    """The digest of `version`, `specs` and `inputs`, which are all that decides the result."""
    outputs: dict[Output, Digest]
    metrics: Metrics
    seal: Digest
    """The digest of all other fields."""


class RunRecord(Document):
    """The circumstances of a run, and the size and modification time of each of its outputs."""

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
    """All that a stage needs to run. Paths are relative to the build folder."""

    stage: Name
    module: Module
    resumes: bool
    always: bool
    memory_mib: Annotated[int, Field(ge=0)]
    version: int
    unit: Name
    long_name: str
    files: list[Output]
    """The outputs that the stage declares."""
    specs: dict[str, JsonValue]
    inputs: dict[Name, Published]
    settings: dict[str, JsonValue]


def read(model: type[DocumentT], path: Path) -> DocumentT | None:
    """The document in a file; None if there is no file or its content is not such a document."""
    text = content(path, LARGEST_BYTES)
    if text is None:
        return None
    try:
        document = model.model_validate_json(text)  # also refuses deep nesting
        raw = json.loads(text, parse_constant=_no_number)
        whole = not isinstance(document, Manifest) or sealed(raw) == raw
    except ValueError:  # a ValidationError, invalid JSON, or bytes that are not text
        return None
    return document if whole else None


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """A manifest's fields with their seal: a digest of all of them, so that figures are covered."""
    rest = {name: value for name, value in document.items() if name != SEAL}
    return {**rest, SEAL: digest_of(rest)}
