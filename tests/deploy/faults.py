"""What can go wrong between here and a board. Each fault strikes an install over the real ssh."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh
import pytest

from deploy import install as installing
from deploy.install import Board, install
from pipeline.errors import PipelineError
from pipeline.tools import ssh
from pipeline.tools.ssh import Host
from tests.deploy.packages import make_package
from tests.deploy.server import Server

OLD, NOTHING = "the old release, current", "nothing"
NO_NAMESPACE = "a network namespace of its own cannot be made here"


@dataclass(frozen=True)
class Outcome:
    """What the user saw; what was left on the board; what came of the same command again."""

    said: str
    left: str
    again: str


@dataclass(frozen=True)
class Bench:
    """A board with an old release, and what a fault may use to strike."""

    server: Server
    board: Board
    folder: Path
    monkeypatch: pytest.MonkeyPatch


Fault = Callable[[Bench], Iterator[Board]]


def outcome(bench: Bench, fault: Fault) -> Outcome:
    """Installs a new release while the fault is there, and again when it is gone."""
    old, new = make_package(bench.folder), make_package(bench.folder, big=os.urandom(2 << 20))
    install(bench.board, old)
    with contextmanager(fault)(bench) as board:
        try:
            install(board, new)
            said = "nothing"
        except PipelineError as error:
            said = plain(str(error), bench)
    left = what_is_left(bench.server, old.release)
    install(bench.board, new)
    whole = what_is_left(bench.server, new.release, old.release) == OLD
    return Outcome(said, left, "succeeds" if whole else "FAILS")


def what_is_left(server: Server, current: str, *others: str) -> str:
    """OLD if `current` is the current release, every release is whole, and there is no other."""
    folder = server.home / "qnn"
    found = {path.name for path in (folder / "releases").iterdir()}
    if found != {current, *others} or (folder / "current").readlink().name != current:
        return f"{sorted(found)}, current {(folder / 'current').readlink()}"
    for name in found:
        check = ["sha256sum", "-c", "--quiet", ".sums"]
        if subprocess.run(check, cwd=folder / "releases" / name, check=False).returncode != 0:
            return f"a damaged {name}"
    return OLD


def plain(text: str, bench: Bench) -> str:
    """What was said, without what differs from run to run."""
    text = text.replace(str(bench.server.home), "~").replace(str(bench.folder), "...")
    text = text.partition("\n  ssh said:")[0]  # which depends on its version
    text = re.sub(r"(port|-p) \d+|(?<=\]:)\d+|(?<=127\.0\.0\.1:)\d+", lambda m: _port(m[0]), text)
    text = re.sub(r"\d+(?= MiB free)", "...", text)
    return " ".join(text.replace("|", "/").split())  # a cell of a table ends with |


def _port(text: str) -> str:
    return re.sub(r"\d+", "...", text)


def _elsewhere(bench: Bench, target: str, port: int | None = None) -> Board:
    machine = Host(bench.board.machine.word, target, port, bench.server.config)
    return replace(bench.board, machine=machine)


def unknown_host(bench: Bench) -> Iterator[Board]:
    yield _elsewhere(bench, "no-such-board.invalid")


def no_network(bench: Bench) -> Iterator[Board]:
    alone = ["unshare", "-rn"]
    try:
        allowed = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip(NO_NAMESPACE)
    programs = bench.folder / "programs"
    programs.mkdir()
    path = os.environ["PATH"]
    (programs / "ssh").write_text(f'#!/bin/sh\nPATH="{path}" exec unshare -rn ssh "$@"\n')
    (programs / "ssh").chmod(0o755)
    bench.monkeypatch.setenv("PATH", f"{programs}:{path}")
    yield _elsewhere(bench, "192.0.2.1")
    bench.monkeypatch.setenv("PATH", path)


def refused(bench: Bench) -> Iterator[Board]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        yield _elsewhere(bench, "127.0.0.1", closed.getsockname()[1])


def silent(bench: Bench) -> Iterator[Board]:
    bench.monkeypatch.setitem(ssh._OPTIONS, "ConnectTimeout", "1")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()  # and never says a word
        yield _elsewhere(bench, "127.0.0.1", deaf.getsockname()[1])


def unknown_key(bench: Bench) -> Iterator[Board]:
    known = bench.server.known_hosts.read_text()
    bench.server.known_hosts.write_text("")
    yield bench.board
    bench.server.known_hosts.write_text(known)


def changed_key(bench: Bench) -> Iterator[Board]:
    known = bench.server.known_hosts.read_text()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    bench.server.known_hosts.write_text(f"{known.split()[0]} {other}")
    yield bench.board
    bench.server.known_hosts.write_text(known)


def key_refused(bench: Bench) -> Iterator[Board]:
    bench.server.refuse_keys = True
    yield bench.board
    bench.server.refuse_keys = False


def dropped_early(bench: Bench) -> Iterator[Board]:
    bench.server.drop_after = 100
    yield bench.board
    bench.server.drop_after = None


def dropped(bench: Bench) -> Iterator[Board]:
    bench.server.drop_after = 1 << 20
    yield bench.board
    bench.server.drop_after = None


def no_ssh(bench: Bench) -> Iterator[Board]:
    path = os.environ["PATH"]
    bench.monkeypatch.setenv("PATH", str(bench.folder))
    yield bench.board
    bench.monkeypatch.setenv("PATH", path)


def wrong_config(bench: Bench) -> Iterator[Board]:
    config = bench.server.config.read_text()
    bench.server.config.write_text(f"{config}  NoSuchOption yes\n")
    yield bench.board
    bench.server.config.write_text(config)


def full_before(bench: Bench) -> Iterator[Board]:
    bench.server.program("df", "#!/bin/sh\nprintf 'x\\ny 1 1 1024 1 /\\n'\n")
    yield bench.board
    (bench.server.programs / "df").unlink()


def full_meanwhile(bench: Bench) -> Iterator[Board]:
    text = "#!/bin/sh\necho 'tar: big: Cannot write: No space left on device' >&2\nexit 2\n"
    bench.server.program("tar", text)
    yield bench.board
    (bench.server.programs / "tar").unlink()


def slow(bench: Bench) -> Iterator[Board]:
    with bench.monkeypatch.context() as patch:
        patch.setattr(installing, "transfer_seconds", lambda size: 1.0)
        bench.server.program("tar", "#!/bin/sh\nexec sleep 20\n")
        yield bench.board
    (bench.server.programs / "tar").unlink()


def hanging(bench: Bench) -> Iterator[Board]:
    with bench.monkeypatch.context() as patch:
        patch.setattr(installing, "transfer_seconds", lambda size: 1.0)
        patch.setattr(installing, "CALL_SECONDS", 1.0)
        bench.server.program("df", "#!/bin/sh\nexec sleep 20\n")
        yield bench.board
    (bench.server.programs / "df").unlink()


def altered(bench: Bench) -> Iterator[Board]:
    # the second byte of the largest file becomes another on its way
    bench.server.program(
        "tar",
        '#!/bin/sh\nPATH="${PATH#*:}" tar "$@" || exit\n'
        'printf x | dd of="$4/big" bs=1 seek=1 conv=notrunc 2>/dev/null\n',
    )
    yield bench.board
    (bench.server.programs / "tar").unlink()


def lock_held(bench: Bench) -> Iterator[Board]:
    bench.server.program("flock", '#!/bin/sh\n[ "$1" != -w ] || exit 1\n')
    yield bench.board
    (bench.server.programs / "flock").unlink()


FAULTS: dict[str, Fault] = {
    "unknown host": unknown_host,
    "no network": no_network,
    "connection refused": refused,
    "no answer": silent,
    "host key not known": unknown_key,
    "host key changed": changed_key,
    "key refused": key_refused,
    "dropped at the beginning": dropped_early,
    "dropped in the middle": dropped,
    "no ssh here": no_ssh,
    "wrong ssh_config": wrong_config,
    "disk full before": full_before,
    "disk full meanwhile": full_meanwhile,
    "link too slow": slow,
    "board hangs": hanging,
    "a byte changes on its way": altered,
    "lock held": lock_held,
}
