"""Renders the text files of a package."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader("pipeline.packaging", "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - it writes plain text, no HTML
    keep_trailing_newline=True,
)


def render(template: str, **values: Any) -> str:
    """The text of `<template>.j2`. A value that the template lacks is an error."""
    return _ENVIRONMENT.get_template(f"{template}.j2").render(**values)
