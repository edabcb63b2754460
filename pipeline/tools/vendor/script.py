"""The script that runs a plan's tool: the same file here, in a container and behind a launcher."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

PATIENCE = 60
"""Seconds after which a run on another machine ends if its build shows no sign of life."""


def run_script(
    folder: Path,
    tool: Sequence[str],
    *,
    settings: Sequence[Path],
    environment: Mapping[str, str],
    contained: bool,
) -> str:
    """A bash script that runs `tool` in `folder`, and ends with the build that started it.

    settings: the vendor's own scripts (settings64.sh), which are read first where they exist.
    """
    exports = [f"    export {name}={shlex.quote(value)}" for name, value in environment.items()]
    head = [
        "#!/bin/bash",
        f"# Written before each run. By hand: bash {shlex.quote(f'{folder}/.run/run.sh')}",
        f"here={shlex.quote(str(folder))}",
        f"tool=({shlex.join(tool)})",
        f"settings=({shlex.join(map(str, settings))})",
        f"contained={'yes' if contained else 'no'}",
        f"patience={PATIENCE}",
        "set_environment() {",
        *(exports or ["    :"]),
        "}",
    ]
    return "\n".join(head) + "\n" + (files(__package__) / "run_body.sh").read_text()
