"""Hostile folders of data sets are refused before anything is unpacked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.hostile import measure, table
from tests.hostile.data_cases import cases
from tests.hostile.file_case import Told, read_all, require_little, require_one_line
from tests.hostile.measure import require_harmless
from tests.hostile.table import Row

KIND = "data"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("data")
    paths = cases.written(folder / "files")
    words = {name: [name.split()[0], str(path)] for name, path in paths.items()}
    return read_all(folder, "tests.hostile.load", words)


@pytest.mark.parametrize("name", cases)
def test_refused_in_one_clear_error(told: Told, name: str) -> None:
    require_one_line(told.by_case[name], cases[name].words)
    assert told.seconds[name] < 30


def test_all_of_them_took_little_memory_and_wrote_nothing(told: Told) -> None:
    require_little(told.outcome)


@pytest.mark.parametrize("name", ["imagefolder pipe", "mnist gzip bomb", "arrays of terabytes"])
def test_a_command_ends_with_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "files").mkdir()
    root = cases[name].write(tmp_path / "files")
    words = ("data", f"dataset={name.split(maxsplit=1)[0]}", f"data_root={root}")
    require_harmless(measure.doit(tmp_path, *words), cases[name].words)


def test_the_table_in_the_docs_is_what_was_found(told: Told) -> None:
    rows = [Row(KIND, case.name, case.before, case.words) for case in cases.values()]
    if table.UPDATE in os.environ:
        table.write(KIND, rows)
    assert [row for row in table.committed() if row.kind == KIND] == rows
