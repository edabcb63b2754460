"""The base class of every spec, and reading of TOML files, with all errors of a file at once."""

from __future__ import annotations

import re
import reprlib
import tomllib
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pipeline.errors import SpecError, nearest
from specs.paths import read_file, shown

SpecT = TypeVar("SpecT", bound="Spec")
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]

_GREATEST = 1 << 18
"""The largest TOML file that is read, in bytes: room for more than a thousand layers."""
_DEEPEST = 16
"""How deep tables and lists may be nested; no spec needs more than four."""
_TOO_DEEP = f"its tables or lists are nested more than {_DEEPEST} deep"
_DEEP_KEY = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{_DEEPEST},}}"""
)
"""Matches a key of many parts (a.b.c ...), for which tomllib would take minutes or hours."""
_LONGEST = 200
"""How many characters of a name or value an error repeats."""
_TOLD = 20
"""How many wrong fields an error names."""


class Spec(BaseModel):
    """An immutable spec. Unknown fields are errors, so that a misspelt field is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _take_default_alternatives(cls, document: Any) -> Any:
        """Fills in a tag that was left out, if one alternative of the union has a default tag.

        pydantic always requires the tag, and without it reports no other error in that part.
        """
        if not isinstance(document, dict):
            return document
        filled = dict(document)
        for name, field in cls.model_fields.items():
            value, tag = filled.get(name), field.discriminator
            if isinstance(tag, str) and isinstance(value, dict) and tag not in value:
                filled[name] = _with_default_tag(value, tag, get_args(field.annotation))
        return filled


def _with_default_tag(
    document: dict[str, Any], tag: str, alternatives: tuple[type[Spec], ...]
) -> dict[str, Any]:
    """`document` with the default tag, unless its fields belong to another alternative."""
    for default in alternatives:
        if not default.model_fields[tag].is_required():
            others = {name for spec in alternatives for name in spec.model_fields}
            if document.keys() & (others - default.model_fields.keys()):
                return document
            return {tag: default.model_fields[tag].default, **document}
    return document


def read(model: type[SpecT], path: Path) -> SpecT:
    """The spec in the TOML file `path`. Raises SpecError that names every wrong field."""
    return validate(model, parse(path), str(path))


def parse(path: Path) -> dict[str, Any]:
    """The document in the TOML file `path`.

    Raises SpecError if it is not valid TOML, too large or nested too deep.
    """
    try:
        text = read_file(path, _GREATEST).decode()
        if _DEEP_KEY.search(text):
            raise SpecError(f"{path}: {_TOO_DEEP}")
        document = tomllib.loads(text)
    except FileNotFoundError:
        raise SpecError(f"{path}: no such file") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: cannot be read: no UTF-8 text: {error}") from None
    except RecursionError:
        raise SpecError(f"{path}: {_TOO_DEEP}") from None
    except ValueError as error:  # also for a number of more digits than Python reads
        raise SpecError(f"{path}: not valid TOML: {str(error).partition(';')[0]}") from None
    if fault := _fault(document):
        raise SpecError(f"{path}: {fault}")
    return document


def _fault(document: dict[str, Any]) -> str | None:
    """Why no spec can be like this (nested too deep, an integer of more than 64 bits), or None."""
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        integers = [value for value in level if isinstance(value, int)]
        if not all(-(1 << 63) <= value < 1 << 63 for value in integers):
            return "not valid TOML: an integer of more than 64 bits"
        inner = [[*value.values()] for value in level if isinstance(value, dict)]
        inner += [value for value in level if isinstance(value, list)]
        level = [*chain.from_iterable(inner)]
        if not level:
            return None
    return _TOO_DEEP


def validate(model: type[SpecT], document: dict[str, Any], where: str) -> SpecT:
    """`document` as a spec. SpecError: its lines begin with `where` (a file or a variable)."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = error.errors()
        # pydantic calls a list too short, too, if all its items are wrong
        lines = [_line(model, details) for details in found if not _echo(details, found)]
        if len(lines) > _TOLD:
            lines[_TOLD:] = [f"... and {len(lines) - _TOLD:,} more"]
        raise SpecError("\n".join(f"{where}: {line}" for line in lines)) from None


def _echo(details: ErrorDetails, found: list[ErrorDetails]) -> bool:
    place = details["loc"]
    return details["type"] == "too_short" and any(
        other["loc"][: len(place)] == place and other is not details for other in found
    )


def _line(model: type[Spec], details: ErrorDetails) -> str:
    current, place = _place(model, details["loc"])
    name = shown(".".join(place))[:_LONGEST] or "(whole file)"
    if details["type"] == "extra_forbidden":
        return f"{name}: unknown field; {nearest(shown(place[-1])[:_LONGEST], current)}"
    if details["type"] == "missing":
        return f"{name}: missing; it has no default"
    if details["type"].startswith("union_tag"):
        context = details["ctx"]
        field = context["discriminator"].strip("'")
        if "tag" not in context:
            return f"{name}.{field}: missing; allowed: {', '.join(sorted(current))}"
        return f"{name}.{field} = {context['tag']!r}: unknown; {nearest(context['tag'], current)}"
    message = details["msg"].removeprefix("Value error, ")
    value = details["input"]
    if details["type"] == "value_error" and isinstance(value, dict):
        # the error of a validator of the whole spec, which itself begins with the field's name
        return ".".join([*place, message])
    told = "" if isinstance(value, dict) else f" = {_short.repr(value)}"
    return f"{name}{told}: {message[:1].lower()}{message[1:]}"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _LONGEST


def _place(model: type[Spec], loc: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The allowed names at a place of an error, and the place as the file writes it.

    The names are fields of the innermost spec, or tags of a union. pydantic's place includes the
    tags of unions: model.cnv.convolutions.0 is model.convolutions.0 in the file.
    """
    current: Any = model
    place = []
    for part in loc:
        if isinstance(current, dict):  # the alternatives of a union, by tag
            current = current.get(part)
            continue
        place.append(str(part))
        if part in getattr(current, "model_fields", ()):
            current = _specs(current.model_fields[part].annotation)
    known = current if isinstance(current, dict) else getattr(current, "model_fields", ())
    return [*known], place


def _specs(annotation: Any) -> Any:
    """The spec class in a field's type, also within a tuple or option; of a union a dict by tag."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    found = [spec for part in get_args(annotation) if (spec := _specs(part)) is not None]
    if len(found) > 1:
        return {get_args(spec.model_fields["family"].annotation)[0]: spec for spec in found}
    return found[0] if found else None
