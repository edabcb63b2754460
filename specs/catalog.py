"""Finds specs: shipped ones by name, a user's own by the path of a TOML file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pipeline.errors import SpecError, nearest
from specs import paths
from specs.base import SpecT, read
from specs.board import BoardSpec
from specs.network import NetworkSpec

_HERE = Path(__file__).parent
_FOLDERS: dict[type, Path] = {NetworkSpec: _HERE / "networks", BoardSpec: _HERE / "boards"}


def names(model: type[SpecT]) -> list[str]:
    """The names of the shipped specs of one kind."""
    return sorted(path.stem for path in _FOLDERS[model].glob("*.toml"))


def find(model: type[SpecT], variable: str, word: str, folder: Path) -> tuple[str, SpecT]:
    """The label and spec of `word`, which is a shipped name or a path relative to `folder`.

    The label of a path is `<stem>-<sha8 of the absolute path>`. So files of the same name in
    different folders have different labels, and an edited file keeps its label: only what the edit
    changes is built again. Raises SpecError that begins with `variable`.
    """
    if word.endswith(".toml") or "/" in word:
        path = paths.file(word, folder, f"{variable}={paths.shown(word)}")
        digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
        return f"{plain(path.stem)}-{digest}", _placed(read(model, path), path.parent)
    if word not in names(model):
        raise SpecError(
            f"{variable}={paths.shown(word)}: no such {variable}; {nearest(word, names(model))}, "
            f"or the path of a .toml file of your own"
        )
    return word, read(model, _FOLDERS[model] / f"{word}.toml")


def _placed(spec: SpecT, folder: Path) -> SpecT:
    """`spec` with the path of its model's file, if it has one, made absolute."""
    network: Any = spec
    if (file := getattr(getattr(network, "model", None), "file", None)) is None:
        return spec
    path = paths.file(file, folder, f"model.file = {file!r}", f"relative to {folder}")
    model = network.model.model_copy(update={"file": str(path)})
    return spec.model_copy(update={"model": model})


def plain(stem: str) -> str:
    """A file's stem as part of a unit's name: characters that doit does not allow become dashes."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in stem)
