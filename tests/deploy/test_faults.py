"""Every fault on the way: told in words, the old release stays, and a retry succeeds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.install import Board
from tests.deploy import table
from tests.deploy.faults import FAULTS, OLD, Bench, Outcome, outcome
from tests.deploy.server import Server

rows: dict[str, Outcome] = {}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(
    server: Server, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    found = outcome(Bench(server, board, tmp_path, monkeypatch), FAULTS[name])
    rows[name] = found
    assert found.left == OLD
    assert found.again == "succeeds"
    assert found.said != "nothing"
    if table.UPDATE not in os.environ:
        assert found == table.committed()[name]


def test_the_table_has_every_fault() -> None:
    table.hold(rows, FAULTS, first=True)
