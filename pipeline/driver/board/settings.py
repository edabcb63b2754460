"""settings.json, and the errors of the driver."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.errors import PipelineError

SCHEMA_VERSION = 2
Settings = Any
"""What `load_settings` returns."""


class DriverError(PipelineError):
    """What went wrong on the board. kind: one or two words for programs; the text is for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def load_settings(path: Path) -> Settings:
    """What settings.json says, as attributes; `registers` and `parts` as dicts by name."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DriverError("settings", f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DriverError("settings", f"{path}: not valid JSON: {error}") from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise DriverError(
            "settings",
            f"{path}: schema_version is {version!r}, and this driver reads {SCHEMA_VERSION}; "
            "take settings.json and driver.py from the same package",
        )
    settings = json.loads(json.dumps(document), object_hook=lambda entry: SimpleNamespace(**entry))
    settings.registers, settings.parts = document["registers"], document["parts"]
    return settings
