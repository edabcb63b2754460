"""Writes a spec as TOML, in the form of the files in specs/networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from specs.base import Spec


def written(spec: Spec) -> str:
    """The spec without fields that have their default: tables at the top, all else in one line."""
    document = spec.model_dump(mode="json", exclude_defaults=True)
    tables = {name: value for name, value in document.items() if isinstance(value, Mapping)}
    lines = _lines({name: value for name, value in document.items() if name not in tables})
    for name, table in tables.items():
        lines += ["", f"[{name}]", *_lines(table)]
    return "\n".join(lines) + "\n"


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(name)} = {_value(value)}" for name, value in table.items() if value is not None]


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    return name if plain else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = (f"{_key(name)} = {_value(x)}" for name, x in value.items() if x is not None)
        return f"{{ {', '.join(parts)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
