"""The base of every spec, and the reading of TOML files with all their errors at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

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
        found = error.errors()
        # a list all of whose items are wrong is called too short as well
        lines = [_line(model, document, details) for details in found if not _echo(details, found)]
        raise SpecError("\n".join(f"{where}: {line}" for line in lines)) from None


def _echo(details: ErrorDetails, found: list[ErrorDetails]) -> bool:
    place = details["loc"]
    return details["type"] == "too_short" and any(
        other["loc"][: len(place)] == place and other is not details for other in found
    )


def _line(model: type[Spec], document: dict[str, Any], details: ErrorDetails) -> str:
    current, place = _place(model, details["loc"])
    name = ".".join(place) or "(whole file)"
    if details["type"] == "extra_forbidden":
        return f"{name}: unknown field; {nearest(place[-1], current)}"
    if details["type"] == "missing":
        return f"{name}: missing; it has no default"
    if details["type"].startswith("union_tag"):
        context = details["ctx"]
        field = context["discriminator"].strip("'")
        tag = context.get("tag")
        known = _ALTERNATIVES.findall(context.get("expected_tags", ""))
        told = f" = {tag!r}: unknown; {nearest(tag, known)}" if tag else ": missing"
        return f"{name}.{field}{told}"
    message = details["msg"].removeprefix("Value error, ")
    value = details["input"]
    shown = "" if isinstance(value, dict) else f" = {value!r}"
    return f"{name}{shown}: {message[:1].lower()}{message[1:]}"


_ALTERNATIVES = re.compile(r"'([^']*)'")


def _place(model: type[Spec], loc: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The fields of the innermost spec, and where the error is without the tags of unions.

    pydantic names the alternative it took on the way: model.cnv.convolutions.0 for the file's
    model.convolutions.0.
    """
    current: Any = model
    place = []
    for part in loc:
        if isinstance(current, dict):  # alternatives of a union by their tag
            current = current.get(part)
            continue
        place.append(str(part))
        if isinstance(part, str) and hasattr(current, "model_fields"):
            if part in current.model_fields:
                current = _specs(current.model_fields[part].annotation)
    if isinstance(current, dict):
        current = None
    return [*getattr(current, "model_fields", ())], place


def _specs(annotation: Any) -> Any:
    """The spec that a field holds, also in a tuple or an option; of a union a dict by its tag."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    found = [spec for part in get_args(annotation) if (spec := _specs(part)) is not None]
    if len(found) > 1:
        return {get_args(spec.model_fields["family"].annotation)[0]: spec for spec in found}
    return found[0] if found else None
