"""What a virtual board is: the file that is written when it starts."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = ".virtual-board.json"


@dataclass(frozen=True)
class Settings:
    """One virtual board.

    root: its root folder. machine: what `uname -m` says there. faults: by name, with its value.
    sudo_password: what sudo asks for; None: it asks for nothing. shell_module: the file that drives
    the compiled shell. compiler: the command that compiles a bitfile's content; it runs in
    `repository` with `compiler_environment`. cache: keeps what it compiled.
    """

    root: str
    board: str
    part: str
    family: str
    machine: str
    pynq: str
    python: str
    faults: dict[str, str] = field(default_factory=dict)
    sudo_password: str | None = None
    shell_module: str = ""
    compiler: list[str] = field(default_factory=list)
    compiler_environment: dict[str, str] = field(default_factory=dict)
    repository: str = ""
    cache: str = ""

    def save(self) -> None:
        (Path(self.root) / FILE).write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(root: str | None = None) -> Settings:
    """The settings of the board in `root`, or of the one that this process runs on."""
    folder = Path(root or os.environ["QNN_BOARD_ROOT"])
    return Settings(**json.loads((folder / FILE).read_text()))
