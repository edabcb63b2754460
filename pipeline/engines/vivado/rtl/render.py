"""Renders the scripts, constraints and Verilog of this engine from its templates."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def _directive(word: str) -> str:
    return f" -directive {word}" if word else ""


_ENVIRONMENT = Environment(
    loader=PackageLoader("pipeline.engines.vivado.rtl", "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - Tcl and Verilog, not HTML; the values are checked names
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["directive"] = _directive


def render(template: str, **values: Any) -> str:
    """The text of `<template>.j2`. A value that the template lacks is an error."""
    return _ENVIRONMENT.get_template(f"{template}.j2").render(**values)
