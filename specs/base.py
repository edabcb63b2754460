"""The base of every spec, and the reading of TOML files with all their errors at once."""

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
"""Bytes of a TOML file: more than a thousand layers."""
_DEEPEST = 16
"""Tables and lists in one another; no spec has more than four."""
_TOO_DEEP = f"its tables or lists are nested more than {_DEEPEST} deep"
_DEEP_KEY = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{_DEEPEST},}}"""
)
"""A key of many parts (a.b.c ...), for which tomllib would take minutes or hours."""
_LONGEST = 200
"""Characters of a name or a value that an error repeats."""
_TOLD = 20
"""Wrong fields that an error names."""


class Spec(BaseModel):
    """Immutable, and unknown fields are errors: a misspelt field must never be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _take_default_alternatives(cls, document: Any) -> Any:
        """Of a union told apart by a tag, the alternative whose tag has a default needs none.

        pydantic wants the tag always, and without it tells no other error of that part.
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
    """`document`, with the tag that may be left out unless its fields are another alternative's."""
    for default in alternatives:
        if not default.model_fields[tag].is_required():
            others = {name for spec in alternatives for name in spec.model_fields}
            if document.keys() & (others - default.model_fields.keys()):
                return document
            return {tag: default.model_fields[tag].default, **document}
    return document


def read(model: type[SpecT], path: Path) -> SpecT:
    """The spec in TOML file `path`. Raises SpecError naming every wrong field of the file."""
    return validate(model, parse(path), str(path))


def parse(path: Path) -> dict[str, Any]:
    """The document in TOML file `path`. Raises SpecError if it is none, or a trap for a parser."""
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
    except ValueError as error:  # also of a number of more digits than Python reads
        raise SpecError(f"{path}: not valid TOML: {str(error).partition(';')[0]}") from None
    if fault := _fault(document):
        raise SpecError(f"{path}: {fault}")
    return document


def _fault(document: dict[str, Any]) -> str | None:
    """Why a document is none that a spec could be: nested deep, or an integer beyond 64 bits."""
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
    """`document` as a spec; `where` (a file, a variable) begins each line of the SpecError."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = error.errors()
        # a list all of whose items are wrong is called too short as well
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
        # of a spec as a whole: such a message begins with the field it is about
        return ".".join([*place, message])
    told = "" if isinstance(value, dict) else f" = {_short.repr(value)}"
    return f"{name}{told}: {message[:1].lower()}{message[1:]}"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _LONGEST


def _place(model: type[Spec], loc: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The fields of the innermost spec, or the tags of a union; and the place without such tags.

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
        if part in getattr(current, "model_fields", ()):
            current = _specs(current.model_fields[part].annotation)
    known = current if isinstance(current, dict) else getattr(current, "model_fields", ())
    return [*known], place


def _specs(annotation: Any) -> Any:
    """The spec that a field holds, also in a tuple or an option; of a union a dict by its tag."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    found = [spec for part in get_args(annotation) if (spec := _specs(part)) is not None]
    if len(found) > 1:
        return {get_args(spec.model_fields["family"].annotation)[0]: spec for spec in found}
    return found[0] if found else None
