"""The environment of the virtual board: made once, and gone on with when it was cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from deploy.virtual import environment as made
from pipeline.errors import SpecError, ToolError


class Installer:
    """Takes the place of uv: notes what it is asked for, and can fail at a step."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.fails_at: str | None = None

    def run(self, argv: Sequence[str | Path], *, log: Path, **options: Any) -> None:
        self.steps.append(log.stem)
        if log.stem == self.fails_at:
            raise ToolError("the network is down")
        if log.stem == "venv":
            folder = Path(argv[-1])
            (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
            (folder / "bin").mkdir()
            (folder / "bin" / "python3").touch()
        else:
            assert "--require-hashes" in argv
            assert "--no-deps" in argv


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installer:
    locks = tmp_path / "locks"
    locks.mkdir()
    for lock in made.LOCKS.iterdir():
        (locks / lock.name).write_text(lock.read_text())
    found = Installer()
    monkeypatch.setattr(made, "ROOT", tmp_path)
    monkeypatch.setattr(made, "LOCKS", locks)
    monkeypatch.setattr(made, "run_tool", found.run)
    monkeypatch.setattr(made, "_index", dict)
    return found


def test_it_is_made_once_and_told_before(installer: Installer) -> None:
    told: list[str] = []
    python = made.environment("3.1", told.append)
    assert installer.steps == ["venv", "wheels", "pynq"]
    assert "installing 20 packages" in told[0]
    assert "90 MB to fetch" in told[0]
    packages = python.parents[1] / "lib" / "python3.11" / "site-packages"
    hook = (packages / "virtual_board.pth").read_text().splitlines()
    assert (Path(hook[0]) / "virtual_board" / "hook.py").exists()
    assert made.environment("3.1", told.append) == python
    assert len(told) == 2
    assert len(installer.steps) == 3


def test_a_cut_installation_is_gone_on_with(installer: Installer) -> None:
    installer.fails_at = "pynq"
    with pytest.raises(ToolError, match=r"(?s)network is down.*next call goes on from here"):
        made.environment("4.0", lambda text: None)
    installer.fails_at = None
    made.environment("4.0", lambda text: None)
    assert installer.steps == ["venv", "wheels", "pynq", "wheels", "pynq"]


def test_other_pins_make_it_anew(installer: Installer) -> None:
    made.environment("3.1", lambda text: None)
    made.environment("4.0", lambda text: None)
    lock = made.LOCKS / "pynq-3.1.txt"
    lock.write_text(lock.read_text() + "# changed\n")
    installer.steps.clear()
    made.environment("4.0", lambda text: None)
    assert installer.steps == []
    made.environment("3.1", lambda text: None)
    assert installer.steps == ["venv", "wheels", "pynq"]


def test_every_pin_has_a_hash_and_another_version_is_told() -> None:
    for lock in made.LOCKS.iterdir():
        for entry in lock.read_text().split("\n")[1:]:
            assert entry == "" or "==" in entry or "--hash=sha256:" in entry
        assert lock.read_text().count("==") <= lock.read_text().count("--hash")
    with pytest.raises(SpecError, match=r"pynq=2\.7: no such version"):
        made.environment("2.7")
