"""The variables of the command line (`name=value`), and the settings of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import SpecError, nearest
from specs.base import Spec, validate

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Variable:
    """`field`: the dotted spec field it overrides; empty for what selects or is a setting."""

    help: str
    field: str = ""


VARIABLES = {
    "network": Variable("shipped name, path of a .toml file, comma list, or all"),
    "board": Variable("shipped name, path of a .toml file, comma list, or all"),
    "dataset": Variable("data set the network is trained on", "network.dataset"),
    "epochs": Variable("training epochs", "network.training.epochs"),
    "seed": Variable("seed of the training", "network.training.seed"),
    "engine": Variable("how hardware is made", "target.engine"),
    "fps": Variable("images a second to reach; default: the most the board allows", "target.fps"),
    "clock_mhz": Variable("clock of the accelerator", "target.clock_mhz"),
    "data_root": Variable("folder with the data set's original files"),
}


class Settings(Spec):
    """Matters of this machine, from local.toml and the environment: never a reason to rebuild."""

    build_dir: str = "build"
    data_root: str | None = None


def user_folder() -> Path:
    """Where the user stood when calling; the launcher itself runs in the repository's root."""
    return Path(os.environ.get("PIPELINE_CWD", "."))


def check_names(given: Mapping[str, str]) -> None:
    """Raises SpecError for variables that do not exist (doit itself would ignore them)."""
    unknown = [name for name in given if name not in VARIABLES]
    if unknown:
        raise SpecError(
            "\n".join(f"{name}=: unknown variable; {nearest(name, VARIABLES)}" for name in unknown)
        )
    empty = [name for name, value in given.items() if not value]
    if empty:
        raise SpecError("\n".join(f"{name}=: has no value" for name in empty))


def settings(given: Mapping[str, str]) -> Settings:
    """local.toml at the root, overridden by PIPELINE_* of the environment, then by variables."""
    import tomllib  # noqa: PLC0415 - only read where the file is there

    path = ROOT / "local.toml"
    document = {}
    if path.is_file():
        try:
            document = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"{path}: not valid TOML: {error}") from None
    for name in Settings.model_fields:
        if value := os.environ.get(f"PIPELINE_{name.upper()}"):
            document[name] = value
    if "data_root" in given:
        document["data_root"] = str(
            (user_folder() / Path(given["data_root"]).expanduser()).resolve()
        )
        if not Path(document["data_root"]).is_dir():
            raise SpecError(f"data_root={given['data_root']}: no such folder")
    return validate(Settings, document, str(path))


def override(spec: Spec, section: str, given: Mapping[str, str]) -> tuple[Spec, dict[str, str]]:
    """`spec` with the variables of `section` ("network") applied, and those that changed it.

    Raises SpecError for a value the field does not allow.
    """
    document = spec.model_dump()
    changed = {}
    for name, variable in VARIABLES.items():
        if name not in given or not variable.field.startswith(f"{section}."):
            continue
        *path, leaf = variable.field.split(".")[1:]
        place = document
        for part in path:
            place = place[part]
        before = place[leaf]
        place[leaf] = given[name]
        try:
            after = type(spec).model_validate(document)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            message = message.removeprefix("Value error, ")
            raise SpecError(f"{name}={given[name]}: {message[:1].lower()}{message[1:]}") from None
        value = after
        for part in [*path, leaf]:
            value = getattr(value, part)
        if value != before:
            changed[name] = _written(value)
        spec, document = after, after.model_dump()
    return spec, changed


def _written(value: object) -> str:
    """A value as part of a unit's name: 3000, not 3000.0 or 3e+03."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
