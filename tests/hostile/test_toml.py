"""Hostile TOML files are refused: networks, boards, local.toml."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import SpecError
from specs.base import parse, read
from specs.network import NetworkSpec
from tests.hostile import measure, table
from tests.hostile.file_case import Cases, Told, read_all, require_little, require_one_line
from tests.hostile.measure import require_harmless
from tests.hostile.table import Row

KIND = "TOML"
DEEP = "its tables or lists are nested more than 16 deep"
CONTENT = {
    "lists nested deep": (b"x = " + b"[" * 5000 + b"]" * 5000, DEEP, "traceback"),
    "tables nested deep": (b"x = " + b"{a = " * 5000 + b"1" + b"}" * 5000, DEEP, "traceback"),
    "key of many parts": (b".".join([b"a"] * 20_000) + b" = 1", DEEP, "did not end"),
    "quoted key of many parts": (b" . ".join([b'"a"'] * 20_000) + b" = 1", DEEP, "did not end"),
    "table of many parts": (b"[" + b".".join([b"a"] * 20_000) + b"]", DEEP, "accepted"),
    "megabytes": (
        b"x = 1\n" * 200_000,
        "1,200,000 bytes, more than the 262,144",
        "all was read",
    ),
    "number of many digits": (b"x = " + b"9" * 5000, "Exceeds the limit", "traceback"),
    "number beyond 64 bits": (b"x = 0x" + b"f" * 5000, "more than 64 bits", "accepted"),
    "bytes that are no UTF-8": (b'x = "\xff"', "no UTF-8 text", "refused"),
    "NUL": (b'x = "\0"', "Illegal character", "refused"),
    "key that clears the screen": (
        b'"a\\u001b[2J" = 1',
        "a\\x1b[2J: unknown field",
        "the screen was cleared",
    ),
    "key of megabytes": (b"a" * 250_000 + b" = 1", "a: unknown field", "all repeated"),
    "value of megabytes": (
        b'seed = "' + b"a" * 250_000 + b'"',
        "seed: unknown field",
        "all repeated",
    ),
    "thousands of wrong fields": (
        b"".join(b"[a%d]\n" % number for number in range(20_000)),
        "and 19,983 more",
        "an error of 20,003 lines",
    ),
}


def _case(name: str) -> None:
    content, words, before = CONTENT[name]

    def write(folder: Path) -> Path:
        (folder / "net.toml").write_bytes(content)
        return folder / "net.toml"

    write.__name__ = name
    cases(words, before)(write)


cases = Cases()
for _name in CONTENT:
    _case(_name)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("toml")
    paths = cases.written(folder / "files")
    return read_all(
        folder, "tests.hostile.choose", {name: [str(path)] for name, path in paths.items()},
        first=("network",),
    )  # fmt: skip


@pytest.mark.parametrize("name", cases)
def test_refused_in_one_clear_error(told: Told, name: str) -> None:
    require_one_line(told.by_case[name], cases[name].words)
    assert told.seconds[name] < 30


def test_all_of_them_took_little_memory_and_wrote_nothing(told: Told) -> None:
    require_little(told.outcome)


def test_a_command_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    path = cases["lists nested deep"].write(tmp_path / "files")
    for words in (f"network={path}", f"board={path}"):
        require_harmless(measure.doit(tmp_path, "list", words), DEEP)


def test_the_table_in_the_docs_is_what_was_found(told: Told) -> None:
    rows = [Row(KIND, case.name, case.before, case.words) for case in cases.values()]
    if table.UPDATE in os.environ:
        table.write(KIND, rows)
    assert [row for row in table.committed() if row.kind == KIND] == rows


def test_what_a_spec_may_hold_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a.b.c.d = [[1, -9223372036854775808]]\n# a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p q\n")
    assert parse(path) == {"a": {"b": {"c": {"d": [[1, -(2**63)]]}}}}
    path.write_text("")
    with pytest.raises(SpecError, match="name: missing"):
        read(NetworkSpec, path)
