"""A board to deploy to: an SSH server of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.install import Board
from tests.deploy.server import Server, serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "ssh") as server:
        yield server


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def board(server: Server, tmp_path: Path, said: list[str]) -> Board:
    return Board(server.machine, "qnn", tmp_path / "logs", show=said.append)
