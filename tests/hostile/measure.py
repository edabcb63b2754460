"""Runs a command as a user does, and measures its output, memory, time and the files it wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import ROOT

SECONDS = 120.0
"""A command that has not ended by then is killed. It should take only seconds, but other tests may
run on the same machine."""
PEAK_MIB = 1024
_ADDRESS_SPACE_GIB = 6.0
"""The limit of each process. The libraries map a part of it; a process that asks for ever more
memory is ended before the machine has none left."""
_PROGRAM = Path(__file__).with_name("limited.py")


@dataclass(frozen=True)
class Outcome:
    """What a command did. peak_mib: of its largest process; written: names of new files."""

    code: int
    text: str
    peak_mib: int
    seconds: float
    timed_out: bool
    written: tuple[str, ...]

    @property
    def what(self) -> str:
        """The outcome in a few words, for a table."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        if self.timed_out:
            return "no end"
        if "Traceback" in self.text:
            return f"traceback: {lines[-1]}"
        return "accepted" if self.code == 0 else (lines[-1] if lines else f"exit code {self.code}")


def doit(folder: Path, *words: str, seconds: float = SECONDS, root: Path = ROOT) -> Outcome:
    """Runs `./doit WORDS`; see `python`."""
    return python(folder, "doit", *words, seconds=seconds, root=root)


def python(
    folder: Path, module: str, *words: str, seconds: float = SECONDS, root: Path = ROOT
) -> Outcome:
    """Runs `python -m MODULE WORDS`.

    It may write only in `folder`/build. New files in its home, in its folder for temporary files
    and in the rest of `folder` are recorded. root: the checkout of the module.
    """
    places = {name: folder / name for name in ("build", "home", "tmp")}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    outer = ("PIPELINE_", "FAKE_", "PYTEST_", "XDG_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    env |= {
        "PIPELINE_BUILD_DIR": str(places["build"]),
        "HOME": str(places["home"]),
        "TMPDIR": str(places["tmp"]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    own = root / ".venv" / "bin" / "python"
    command = [str(own if own.exists() else sys.executable), "-m", module, *words]
    before = _files(folder)
    outcome = _run(command, folder, env, seconds, root)
    written = sorted(_files(folder) - before - {"result.json", "said.txt"})
    return Outcome(**outcome, written=tuple(written))


def _run(
    command: list[str], folder: Path, env: dict[str, str], seconds: float, root: Path
) -> dict[str, Any]:
    result, said = folder / "result.json", folder / "said.txt"
    limits = [str(result), str(seconds), str(_ADDRESS_SPACE_GIB)]
    with said.open("wb") as out:
        subprocess.run(
            [sys.executable, "-I", "-S", str(_PROGRAM), *limits, *command],
            cwd=root, env=env, stdout=out, stderr=subprocess.STDOUT, check=True,
        )  # fmt: skip
    text = said.read_bytes().decode(errors="replace")
    return {**json.loads(result.read_text()), "text": text}


def _files(folder: Path) -> set[str]:
    """All files that are not in the build folder."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.relative_to(folder).parts[0] != "build" and not path.is_dir()
    }


def require_harmless(outcome: Outcome, words: str, peak_mib: int = PEAK_MIB) -> None:
    """Requires one clear error with `words`, in little time and memory, and no new files."""
    told = outcome.text
    assert not outcome.timed_out, f"no end:\n{told}"
    assert outcome.code != 0, f"accepted:\n{told}"
    assert "Traceback" not in told, told
    assert words in told, told
    assert outcome.peak_mib < peak_mib, f"{outcome.peak_mib} MiB:\n{told}"
    assert not outcome.written, outcome.written
