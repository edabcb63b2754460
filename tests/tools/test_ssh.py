"""The OpenSSH client: names of machines, what goes over which way, how a script's end is told."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BoardError, MissingTool, SpecError
from pipeline.tools.ssh import STATUS, host, run_script
from tests.deploy.server import Server, serving

ECHO = f"""printf '%s\\n' "$@"; cat; printf '{STATUS}{{"kind": "ok"}}\\n'"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "ssh") as server:
        yield server


@pytest.mark.parametrize(
    ("word", "target", "port"),
    [
        ("pynq", "pynq", None),
        ("xilinx@192.168.2.99", "xilinx@192.168.2.99", None),
        ("xilinx@pynq.local:2222", "xilinx@pynq.local", 2222),
        ("root@[fe80::1]:22", "root@fe80::1", 22),
    ],
)
def test_names_of_machines(word: str, target: str, port: int | None) -> None:
    found = host(word)
    assert (found.target, found.port) == (target, port)


@pytest.mark.parametrize(
    "word",
    ["", "-oProxyCommand=id", "a b", "a;b", "a@-b", "-a@b", "$(id)", "a@b@c", "a:0", "a:65536",
     "a:", "ä", "a\nb", "[::1", "a/b", "ssh://a"],
)  # fmt: skip
def test_what_is_no_name_is_refused(word: str) -> None:
    with pytest.raises(SpecError, match="not the name of a machine; allowed: a name of"):
        host(word)


@given(st.text())
def test_no_word_of_the_user_becomes_an_option(word: str) -> None:
    try:
        argv = host(word).argv("true")
    except SpecError:
        return
    assert argv.index("--") == len(argv) - 3
    assert not argv[-2].startswith("-")


def test_arguments_and_input_arrive_as_they_were_given(server: Server, tmp_path: Path) -> None:
    words = ["a b", "it's", '"$HOME"', "`id`", "$(id)", "", "\\", "ü", "*"]
    lines: list[str] = []
    status = run_script(
        server.machine, ECHO, words, log=tmp_path / "log", seconds=30, feed=[b"x\n", b"y\n"],
        on_line=lines.append,
    )  # fmt: skip
    assert status == {"kind": "ok"}
    assert lines == [*words, "x", "y"]


def test_a_large_input_arrives_whole_after_a_script_of_any_length(
    server: Server, tmp_path: Path
) -> None:
    """Nothing of the input is lost to the shell that reads the script."""
    for filler in (0, 1, 4096, 70_000):
        lines: list[str] = []
        script = f"# {'x' * filler}\nwc -c; printf '{STATUS}{{}}\\n'"
        data = bytes(1 << 20)
        run_script(
            server.machine, script, log=tmp_path / "log", seconds=30, feed=[data],
            on_line=lines.append,
        )  # fmt: skip
        assert lines == [str(1 << 20)]


def test_a_script_that_fails_with_255_is_told_from_a_failed_connection(
    server: Server, tmp_path: Path
) -> None:
    script = f"printf '{STATUS}{json.dumps({'kind': 'damaged'})}\\n'; exit 255"
    found = run_script(server.machine, script, log=tmp_path / "log", seconds=30)
    assert found == {"kind": "damaged"}


@pytest.mark.parametrize("script", ["exit 255", "exit 0", f"echo '{STATUS}no json'", "kill -9 $$"])
def test_a_script_without_status_did_not_end(server: Server, tmp_path: Path, script: str) -> None:
    with pytest.raises(BoardError, match=r"^board: .*; log: .*log$"):
        run_script(server.machine, script, log=tmp_path / "log", seconds=30)


def test_a_script_that_does_not_end_is_given_up(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="did not end within 1 s and was given up"):
        run_script(server.machine, "sleep 20", log=tmp_path / "log", seconds=1)


def test_a_script_that_reads_no_input_ends(server: Server, tmp_path: Path) -> None:
    data = [bytes(1 << 20)] * 8
    script = f"printf '{STATUS}{{}}\\n'"
    assert run_script(server.machine, script, log=tmp_path / "log", seconds=30, feed=data) == {}


def test_no_ssh_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match="install the OpenSSH client"):
        run_script(host("pynq"), "true", log=tmp_path / "log", seconds=5)


def test_what_the_machine_says_cannot_steer_the_terminal(server: Server, tmp_path: Path) -> None:
    lines: list[str] = []
    script = f"printf '\\033[2Jgone\\n{STATUS}{{}}\\n'"
    run_script(server.machine, script, log=tmp_path / "log", seconds=30, on_line=lines.append)
    assert lines == ["\\x1b[2Jgone"]
