"""The commands, through a real doit: several boards at once, and names that are none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.install import Board, install
from pipeline import ROOT
from tests.deploy.packages import make_package
from tests.deploy.server import Server
from tests.deploy.test_check import SECRET, WHOLE, as_user, furnish, python


def environment(server: Server | None, folder: Path) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if "PIPELINE_" not in name}
    env["PIPELINE_BUILD_DIR"] = str(folder / "build")
    if server is not None:
        env["PIPELINE_SSH_CONFIG"] = str(server.config)
    return env


def doit(server: Server | None, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "doit", *words],
        cwd=ROOT,
        env=environment(server, folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_several_boards_at_once_and_one_that_is_not_there(
    server: Server, board: Board, tmp_path: Path
) -> None:
    packages = [make_package(tmp_path, version=word) for word in (b"1", b"2")]
    for package in packages:
        install(board, package)
    with server.config.open("a") as config:
        config.write("Host gone\n  HostName no-such-board.invalid\n")
    done = doit(server, tmp_path, "rollback", "host=gone,board")
    assert done.returncode == 1
    assert f"board: {packages[0].release} is the current release now" in done.stdout
    assert "gone: there is no machine of this name" in done.stdout
    assert "the others are done: board" in done.stdout
    assert (server.home / "qnn" / "current").readlink().name == packages[0].release


def test_check_board_shows_findings_and_fails_with_a_problem(
    server: Server, tmp_path: Path
) -> None:
    done = doit(server, tmp_path, "check-board", "host=board")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "PYNQ" in done.stdout
    assert "what to do" in done.stdout
    assert "problems: " in done.stdout
    assert not list((tmp_path / "build").glob("*@*"))  # nothing was built


@pytest.mark.parametrize("command", ["deploy", "check-board", "rollback"])
def test_no_board_named(tmp_path: Path, command: str) -> None:
    done = doit(None, tmp_path, command)
    assert done.returncode == 1
    assert "host=: names no board; allowed: a name of ~/.ssh/config" in done.stdout
    assert "virtual" in done.stdout


@pytest.mark.parametrize("command", ["deploy", "build", "rollback"])
def test_a_host_that_is_no_name_is_refused_before_anything_is_built(
    tmp_path: Path, command: str
) -> None:
    done = doit(None, tmp_path, command, "host=-oProxyCommand=id")
    assert done.returncode != 0
    text = done.stdout + done.stderr
    assert "host=-oProxyCommand=id: not the name of a machine; allowed" in text
    assert "Traceback" not in text
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("host=virtual", "fault=no-such"),
            "fault no-such: no such fault; did you mean 'no-flush'? allowed: bit-flip",
        ),
        (("host=pynq", "fault=dma-hang"), "fault=: only a virtual board has it"),
        (("pynq=4.0",), "pynq=: only a virtual board has it: give host=virtual, too"),
        (("host=virtual", "pynq=2.7"), "3.1"),
        (("host=virtual", "sudo=yes"), "ask"),
    ],
)
def test_values_that_are_not_allowed_are_refused_at_once(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = doit(None, tmp_path, "deploy", *words)
    assert done.returncode != 0
    text = done.stdout + done.stderr
    assert told in text
    assert "Traceback" not in text
    assert not (tmp_path / "build").exists()


def test_a_password_is_never_asked_for_without_a_terminal(server: Server, tmp_path: Path) -> None:
    done = doit(server, tmp_path, "check-board", "host=board", "sudo=ask")
    assert done.returncode == 1
    assert "sudo=ask: there is no terminal" in done.stdout
    assert server.commands == []


def test_a_password_goes_to_sudo_and_nowhere_else(server: Server, tmp_path: Path) -> None:
    """Typed on a terminal, as a user does, and then searched for wherever something is written."""
    furnish(server)
    python(server, WHOLE)
    as_user(server)
    leader, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "doit", "check-board", "host=board", "sudo=ask"],
        cwd=ROOT, env=environment(server, tmp_path), stdin=terminal, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    assert process.stdout is not None
    prompt = ""
    while not prompt.endswith("sudo's password on board: "):
        prompt += process.stdout.read(1)  # what is typed before it is thrown away
    os.write(leader, f"{SECRET}\n".encode())
    text, _ = process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == 0, text
    assert "PYNQ" in text
    assert SECRET not in text
    assert not any(SECRET in command for command in server.commands)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "check.log.sh" for path in kept)
    for path in kept:
        if path.name not in ("sudo", "mem"):
            assert SECRET.encode() not in path.read_bytes(), path
