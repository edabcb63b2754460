"""Runs at the start of every Python of the board's environment, from its .pth file.

On a virtual board it lets `import pynq` find the virtual device; elsewhere it does nothing.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

ROOT = "QNN_BOARD_ROOT"
"""The environment variable that names the root folder of the virtual board."""
_BOARD = "pynq.pl_server.embedded_device"
"""pynq imports this module only where XRT's environment is set, as on the board."""


class _AfterImport:
    """Imports the virtual device once pynq has its own device for boards."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name == "pynq":
            _pretend_processor()
        if name != _BOARD:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_add(module: ModuleType) -> None:
            run(module)
            from . import device  # noqa: F401, PLC0415 - its class enters pynq's list of devices

        spec.loader.exec_module = run_and_add  # type: ignore[method-assign]
        return spec


def _pretend_processor() -> None:
    import platform  # noqa: PLC0415 - every Python of the environment runs this file

    from .settings import load  # noqa: PLC0415

    machine = load().machine
    platform.machine = lambda: machine


if ROOT in os.environ:
    sys.meta_path.insert(0, _AfterImport())
