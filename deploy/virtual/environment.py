"""The virtual board's own Python environment, with the real pynq. It is made on first use."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from pipeline.errors import MissingTool, SpecError, ToolError, nearest
from pipeline.tools.process import run_tool

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "requirements" / "board"
PLUGIN = Path(__file__).with_name("plugin")
VERSIONS = ("3.1", "4.0")
"""The versions of pynq that the virtual board can run, by their first two numbers."""
PYTHONS = ((3, 11), (3, 12))
"""pynq needs a numpy below 2, which has no wheel for later ones."""
_COST = {"3.1": "90 MB to fetch, 150 MB on the disk", "4.0": "40 MB to fetch, 130 MB on the disk"}
_MARK = "installed-from"
# the first line adds the folder to the path, the second runs
_PATH_FILE = ("virtual_board.pth", f"{PLUGIN}\nimport virtual_board.hook\n")


def environment(version: str, say: Callable[[str], None] = print) -> Path:
    """The Python of the environment with this version of pynq.

    On first use it is installed from its lock, and `say` tells time and size before. What a cut
    installation has done is kept. Several processes may call this at once. Raises SpecError,
    MissingTool and ToolError.
    """
    if version not in VERSIONS:
        raise SpecError(f"pynq={version}: no such version; {nearest(version, VERSIONS)}")
    folder = ROOT / f".venv-board-{version}"
    python = folder / "bin" / "python3"
    if _ready(folder, version):
        return python
    with FileLock(f"{folder}.lock"):
        if not _ready(folder, version):  # else another process was faster
            say(
                f"first use of a virtual board with pynq {version}: installing {_packages(version)}"
                f" packages into {folder.name}, 10 to 60 s ({_COST[version]})"
            )
            started = time.monotonic()
            _install(folder, version)
            say(f"installed in {time.monotonic() - started:.0f} s")
    return python


def _locks(version: str) -> tuple[Path, Path]:
    return LOCKS / "wheels.txt", LOCKS / f"pynq-{version}.txt"


def _packages(version: str) -> int:
    return sum(lock.read_text().count("==") for lock in _locks(version))


def _pins(folder: Path, version: str) -> str:
    """What the environment is made from. The paths are part of it: it cannot be moved."""
    content = b"".join(lock.read_bytes() for lock in _locks(version))
    return hashlib.sha256(f"{folder}\n{_PATH_FILE}\n".encode() + content).hexdigest()


def _ready(folder: Path, version: str) -> bool:
    try:
        return (folder / _MARK).read_text() == _pins(folder, version)
    except OSError:
        return False


def _install(folder: Path, version: str) -> None:
    logs = folder.with_name(f"{folder.name}.log")
    mark = folder / _MARK
    if mark.exists():  # of another lock
        shutil.rmtree(folder)
    wheels, source = _locks(version)
    uv = _uv()
    wanted = _fitting_python()
    if not (folder / "bin" / "python3").exists():
        shutil.rmtree(folder, ignore_errors=True)
        if uv is not None:
            make: list[str | Path] = [uv, "venv", "--python", wanted or "3.11", folder]
        elif wanted is not None:
            make = [wanted, "-m", "venv", folder]
        else:
            raise MissingTool(
                "the virtual board's pynq needs Python 3.11 or 3.12, and neither is on PATH; "
                "install one (sudo apt install python3.11 python3.11-venv), or uv, which fetches it"
            )
        run_tool(make, log=logs / "venv.log", tool_errors=False)
    python = folder / "bin" / "python3"
    install: list[str | Path] = (
        [uv, "pip", "install", "--python", python]
        if uv is not None
        else [python, "-m", "pip", "install", "--disable-pip-version-check"]
    )
    # pynq is built from its source, with the setuptools of the lock and nothing else
    steps: tuple[tuple[str, list[str | Path]], ...] = (
        ("wheels", ["--only-binary", ":all:", "-r", wheels]),
        ("pynq", ["--no-build-isolation", "-r", source]),
    )
    index = _index()
    for name, arguments in steps:
        try:
            run_tool(
                [*install, "--require-hashes", "--no-deps", *arguments],
                log=logs / f"{name}.log",
                env=index,
                tool_errors=False,
            )
        except ToolError as error:
            raise ToolError(
                f"{error}\nThe virtual board's packages could not be installed. Is the package "
                "index reachable? Is there room on the disk? The next call goes on from here."
            ) from error
    packages = next(folder.glob("lib/python3*/site-packages"))
    (packages / _PATH_FILE[0]).write_text(_PATH_FILE[1])
    mark.write_text(_pins(folder, version))


def _uv() -> Path | None:
    for candidate in (shutil.which("uv"), ROOT / ".uv" / "bin" / "uv"):
        if candidate is not None and Path(candidate).exists():
            return Path(candidate)
    return None


def _fitting_python() -> str | None:
    """A Python that pynq runs on: this one, else one on PATH."""
    if sys.version_info[:2] in PYTHONS:
        return str(getattr(sys, "_base_executable", sys.executable))
    names = (f"python{major}.{minor}" for major, minor in PYTHONS)
    return next((path for name in names if (path := shutil.which(name))), None)


def _index() -> dict[str, str]:
    """The package index that pip is told of, for uv too."""
    if "UV_DEFAULT_INDEX" in os.environ or "UV_INDEX_URL" in os.environ:
        return {}
    asked = "import pip._internal.cli.main as m; m.main(['config', 'get', 'global.index-url'])"
    base = str(getattr(sys, "_base_executable", sys.executable))
    found = (
        os.environ.get("PIP_INDEX_URL")
        or subprocess.run(
            [base, "-c", asked], capture_output=True, text=True, check=False
        ).stdout.strip()
    )
    return {"UV_DEFAULT_INDEX": found} if found else {}
