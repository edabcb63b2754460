"""Names on the command line and in settings that are not proper paths get an error of one line."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pipeline.errors import SpecError
from pipeline.flow.selection import selection
from pipeline.flow.unit import select
from pipeline.flow.variables import settings
from specs.paths import open_file, shown
from tests.hostile import measure, table
from tests.hostile.file_case import require_one_line
from tests.hostile.measure import require_harmless
from tests.hostile.table import Row

KIND = "name"
LONG = "/" + "a" * 300 + ".toml"
WORDS = {
    "nothing beside a comma": (",", "a name is missing beside a comma", "treated as no name"),
    "path part of 300 characters": (LONG, "file name too long", "traceback"),
    "home of nobody": ("~nobody-at-all/x.toml", "that user has no home folder", "traceback"),
    "links in a circle": ("circle.toml", "its links go in a circle", "traceback"),
    "bytes that are no UTF-8": (os.fsdecode(b"\xff.toml"), "not plain text", "refused"),
    "end of line": ("a\nb.toml", "not plain text in UTF-8", "an error of two lines"),
    "NUL": ("a\0b.toml", "not plain text in UTF-8", "no command line can have it"),
    "pipe": ("pipe.toml", "a named pipe", "no such file"),
    "socket": ("socket.toml", "a socket", "no such file"),
    "device": ("/dev/zero", "a device", "no such file"),
    "folder": ("folder.toml", "a folder", "refused"),
}
"""The name, a part of the error, and what happened before."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of such files, in which the user gives the commands."""
    (tmp_path / "circle.toml").symlink_to("other.toml")
    (tmp_path / "other.toml").symlink_to("circle.toml")
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket.toml")
    monkeypatch.setenv("PIPELINE_CWD", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("variable", ["network", "board", "qonnx", "checkpoint", "data_root"])
@pytest.mark.parametrize("name", WORDS)
def test_every_variable_that_takes_a_path(place: Path, variable: str, name: str) -> None:
    word, words, _ = WORDS[name]
    if word == "," and variable not in ("network", "board"):
        return  # this variable takes no list
    if variable == "data_root" and name == "folder":
        return
    given = {variable: word}
    if variable == "data_root":
        given["dataset"] = "arrays"
    with pytest.raises(SpecError) as caught:
        selection(given)
    require_one_line(str(caught.value), words)
    assert str(caught.value).startswith(f"{variable}={shown(word)}: ")


@pytest.mark.parametrize("name", ["home of nobody", "links in a circle", "bytes that are no UTF-8"])
@pytest.mark.parametrize("setting", ["build_dir", "data_root", "checkpoint"])
def test_settings(place: Path, monkeypatch: pytest.MonkeyPatch, setting: str, name: str) -> None:
    word = WORDS[name][0]
    path = word if word.startswith("~") else os.path.join(place, word)  # noqa: PTH118
    monkeypatch.setenv(f"PIPELINE_{setting.upper()}", path)
    with pytest.raises(SpecError) as caught:
        settings({})
    assert str(caught.value).startswith(f"{setting} = ")
    require_one_line(str(caught.value), "UTF-8" if "UTF" in name else WORDS[name][1])


def test_a_network_s_own_file(place: Path) -> None:
    for word in ("a\\u0000b", "~nobody-at-all/x", "circle.toml", "pipe.toml", "a" * 300):
        text = f'name = "n"\ndataset = "digits"\n[model]\nfamily = "factory"\nfile = "{word}"\n'
        (place / "net.toml").write_text(text + "[training]\nepochs = 1\nlearning_rate = 0.1\n")
        with pytest.raises(SpecError, match=r"model\.file = "):
            select({"network": "net.toml"})


def test_a_command_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "c.toml").symlink_to("c.toml")
    for words, told in (
        (["list", f"network={os.fsdecode(bytes([255]))}"], "network=\\xff: not plain text"),
        (["list", os.fsdecode(b"\xff=1")], "\\xff=: unknown variable"),
        (["why", "build", f"qonnx={tmp_path / 'c.toml'}"], "its links go in a circle"),
        (["list", "network=tfc_1w1a,"], "a name is missing beside a comma"),
    ):
        require_harmless(measure.doit(tmp_path, *words), told)


def test_a_pipe_or_a_device_is_never_waited_for(place: Path) -> None:
    for path in ("pipe.toml", "/dev/zero"):
        with pytest.raises(OSError, match="not a file"):
            open_file(Path(path))


def test_honest_names_are_taken(place: Path) -> None:
    for name in ("Größe 1", "名前", "a\u202fb", "semi;colon", "quo'te"):
        (place / name).mkdir()
        assert settings({"data_root": name}).data_root == str(place / name)


def test_the_table_in_the_docs_is_what_was_found() -> None:
    rows = [Row(KIND, name, before, words) for name, (_, words, before) in WORDS.items()]
    if table.UPDATE in os.environ:
        table.write(KIND, rows)
    assert [row for row in table.committed() if row.kind == KIND] == rows
