"""A log may be anything: binary, huge, in another encoding, no file at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.diagnosis import lines, logs
from pipeline.diagnosis.logs import LONGEST_LINE
from pipeline.errors import PipelineError

TEXT = "Überschrift\nERROR: kein Platz\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    log = tmp_path / "log"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    log.write_bytes((mark + TEXT).encode(encoding))
    assert [line.lstrip("\ufeff") for line in lines(log)][1] == "ERROR: kein Platz"


def test_latin_1_is_read_with_signs_in_place_of_its_letters(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(TEXT.encode("latin-1"))
    assert list(lines(log)) == ["\ufffdberschrift", "ERROR: kein Platz"]


def test_colours_returns_and_control_characters(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\x1b[31mERROR: red\x1b[0m\r10%\r20%\r\n\x07bell\x00\n")
    assert list(lines(log)) == ["ERROR: red", "10%", "20%", r"\x07bell\x00"]


def test_binary(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(bytes(range(256)) * 500)
    assert all(line.isprintable() for line in lines(log))


def test_a_line_without_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * (10 * LONGEST_LINE))
    assert [len(line) for line in lines(log)] == [LONGEST_LINE] * 10


def test_of_a_huge_log_the_beginning_and_the_end_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 1 << 16)
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.write(b"first\n")
        file.seek(64 << 30)
        file.write(b"\nlast\n")
    read = lines(log)
    assert next(read) == "first"
    # the hole is of NUL bytes: one long line, cut
    assert [line for line in read if line and not line.startswith("\\x00")] == ["last"]


def test_no_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("absent", "no such file"),
        (".", "a folder, not a file"),
        ("pipe", "a named pipe, not a file"),
        ("x\0y", "no file can have this name"),
    ):
        with pytest.raises(PipelineError, match=why):
            list(lines(tmp_path / name))
