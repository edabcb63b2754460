"""Hostile packages are refused by name, before anything of them is used."""

from __future__ import annotations

import os

import pytest

from tests.hostile import table
from tests.hostile.file_case import Told, read_all, require_little, require_one_line
from tests.hostile.table import Row
from tests.packaging.hostile_archives import CASES

KIND = "package"
BEFORE = "nothing read packages"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("packages")
    paths = {}
    for number, (name, (make, _)) in enumerate(CASES.items()):
        paths[name] = folder / f"{number}.tar"
        paths[name].write_bytes(make())
    return read_all(folder, "tests.hostile.unpack", {name: [str(paths[name])] for name in paths})


@pytest.mark.parametrize("name", CASES)
def test_refused_in_one_clear_error(told: Told, name: str) -> None:
    require_one_line(told.by_case[name], CASES[name][1])
    assert ".tar: not a package: " in told.by_case[name]
    assert told.seconds[name] < 10


def test_all_of_them_took_little_memory_and_wrote_nothing(told: Told) -> None:
    require_little(told.outcome)


def test_the_table_in_the_docs_is_what_was_found(told: Told) -> None:
    rows = [Row(KIND, name, BEFORE, words) for name, (_, words) in CASES.items()]
    if table.UPDATE in os.environ:
        table.write(KIND, rows)
    assert [row for row in table.committed() if row.kind == KIND] == rows
