"""The Verilog modules that we keep as files, each in a file of its name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

_HERE = Path(__file__).parent
FOLDERS = (_HERE / "library", _HERE / "shell")


def files() -> dict[str, Path]:
    """The file of every module."""
    return {path.stem: path for folder in FOLDERS for path in folder.glob("*.v")}


def needed_modules(text: str) -> list[str]:
    """Modules that `text` uses, directly or not; each comes after those it uses."""
    available = files()
    order: dict[str, None] = {}

    def visit(names: Iterable[str]) -> None:
        for name in sorted(names):
            if name not in order:
                visit(_instantiated(available[name].read_text()) & available.keys())
                order[name] = None

    visit(_instantiated(text) & available.keys())
    return list(order)


def copy_modules(modules: Iterable[str], folder: Path) -> tuple[str, ...]:
    """Copies modules into `folder`; returns their file names."""
    available = files()
    names = tuple(f"{module}.v" for module in modules)
    for name in names:
        shutil.copyfile(available[Path(name).stem], folder / name)
    return names


def _instantiated(text: str) -> set[str]:
    """The names that begin an instance in `text`: `name #(` or `name instance (`."""
    return set(re.findall(r"^\s*(\w+) (?:#\(|\w+ \()", text, re.MULTILINE))
