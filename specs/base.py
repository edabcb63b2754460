"""The base of every spec, and the reading of TOML files with all their errors at once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from pipeline.errors import SpecError, nearest

SpecT = TypeVar("SpecT", bound="Spec")


class Spec(BaseModel):
    """Immutable, and unknown fields are errors: a misspelt field must never be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read(model: type[SpecT], path: Path) -> SpecT:
    """The spec in TOML file `path`. Raises SpecError naming every wrong field of the file."""
    return validate(model, parse(path), str(path))


def parse(path: Path) -> dict[str, Any]:
    """The document in TOML file `path`. Raises SpecError if it is none."""
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise SpecError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not valid TOML: {error}") from None


def validate(model: type[SpecT], document: dict[str, Any], where: str) -> SpecT:
    """`document` as a spec; `where` (a file, a variable) begins each line of the SpecError."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        lines = [_line(model, document, details) for details in error.errors()]
        raise SpecError("\n".join(f"{where}: {line}" for line in lines)) from None


def _line(model: type[Spec], document: dict[str, Any], details: ErrorDetails) -> str:
    place = details["loc"]
    name = ".".join(str(part) for part in place) or "(whole file)"
    if details["type"] == "extra_forbidden":
        return f"{name}: unknown field; {nearest(str(place[-1]), _fields(model, place[:-1]))}"
    if details["type"] == "missing":
        return f"{name}: missing; it has no default"
    message = details["msg"].removeprefix("Value error, ")
    value = details["input"]
    shown = "" if isinstance(value, dict) else f" = {value!r}"
    return f"{name}{shown}: {message[:1].lower()}{message[1:]}"


def _fields(model: type[Spec], place: tuple[int | str, ...]) -> list[str]:
    """Field names of the sub-model at `place`, for the nearest valid spelling."""
    current: Any = model
    for part in place:
        field = current.model_fields.get(part) if hasattr(current, "model_fields") else None
        current = field.annotation if field else None
    return list(current.model_fields) if hasattr(current, "model_fields") else []
