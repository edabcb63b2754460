"""What FINN's flow needs beside the vendor's tools: its C++ library, a board and clock it knows."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.errors import MissingTool, PipelineError
from specs.vivado import VendorTarget

BOARDS = {
    "Pynq-Z1": "Pynq-Z1",
    "Pynq-Z2": "Pynq-Z2",
    "Ultra96": "Ultra96",
    "Ultra96-V2": "Ultra96-V2",
    "ZCU104": "ZCU104",
    "KV260": "KV260_SOM",
}
"""The boards that FINN's Zynq shell knows, by our names."""
_NEEDS_QUOTES = re.compile(r"[\s\"'`$&|;<>(){}\[\]*?!#\\]")
"""What a shell or Tcl takes for more than a letter."""


def finn_package() -> Path:
    """Where FINN is installed, without importing it."""
    found = find_spec("finn")
    assert found is not None, "it is a dependency"
    assert found.submodule_search_locations, "it is a package"
    return Path(next(iter(found.submodule_search_locations)))


def finn_deps(settings: Mapping[str, Any]) -> Path:
    """The folder with finn-hlslib, which HLS includes. Raises MissingTool if there is none."""
    named = settings.get("finn_deps") or os.environ.get("FINN_DEPS")
    folder = Path(named).expanduser() if named else finn_package() / "finn_deps"
    if not (folder / "finn-hlslib" / "bnn-library.h").is_file():
        raise MissingTool(
            f"finn-hlslib: not in {folder}; hardware=finn needs this C++ library of FINN for HLS.\n"
            "  1. `.venv/bin/finn deps update` fetches it, and board files beside it;\n"
            "  2. or give a folder as finn_deps= (or FINN_DEPS) that has finn-hlslib/, from\n"
            "     github.com/Xilinx/finn-hlslib, and board_files/;\n"
            "  3. or build with hardware=rtl, which needs neither."
        )
    return require_place(folder, "finn_deps=")


def require_place(folder: Path, how: str) -> Path:
    """The folder again. Raises PipelineError if FINN's scripts cannot name it, which never quote.

    how: which setting changes it.
    """
    if found := _NEEDS_QUOTES.search(str(folder)):
        raise PipelineError(
            f"hardware=finn: {folder}: FINN's scripts take no path with {found[0]!r}.\n"
            f"Give another folder ({how}), or build with hardware=rtl"
        )
    return folder


def require_board(vendor: VendorTarget) -> str:
    """The board's name in FINN. Raises PipelineError if FINN's shell cannot be made for it."""
    if vendor.board not in BOARDS:
        raise PipelineError(
            f"hardware=finn: FINN's Zynq shell does not know the board {vendor.board}; it knows "
            f"{', '.join(BOARDS)}.\nhardware=rtl builds for any board"
        )
    if not float(vendor.clock_mhz).is_integer():
        raise PipelineError(
            f"hardware=finn: clock_mhz = {vendor.clock_mhz:g}: FINN's shell takes whole MHz only.\n"
            "Ask for a clock of whole MHz, or build with hardware=rtl"
        )
    if vendor.incremental == "on":
        raise PipelineError(
            "hardware=finn: incremental = on: FINN's project starts from nothing.\n"
            "Use incremental=off, or build with hardware=rtl"
        )
    return BOARDS[vendor.board]
