"""Reads a package before it goes to a board: whole, and nothing in it that leads elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploy.install import Package


def open_package(folder: Path, unit: str) -> tuple[Package, dict[str, Any]]:
    raise NotImplementedError
