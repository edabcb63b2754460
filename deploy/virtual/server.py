"""The virtual board's SSH server. It runs with the board's Python, and needs only asyncssh.

`server.py <settings file>` writes keys and an ssh_config, and prints its port when it is ready.
When its parent ends or asks it to, it ends with all that it started.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncssh

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LIBC = ctypes.CDLL(None)
_CHUNK = 1 << 14


class _Login(asyncssh.SSHServer):
    """Knows one user, by key only."""

    def __init__(self, user: str, authorized: str) -> None:
        self._user, self._authorized = user, authorized

    def connection_made(self, connection: Any) -> None:
        self._connection = connection

    def begin_auth(self, username: str) -> bool:
        if username == self._user:
            self._connection.set_authorized_keys(self._authorized)
        return True


class _Commands:
    """Runs each command in a session of its own, as sshd does."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._environment: dict[str, str] = settings["environment"]
        self._home: str = self._environment["HOME"]

    async def run(self, process: Any) -> None:
        child = await asyncio.create_subprocess_exec(
            *(["/bin/sh", "-c", process.command] if process.command else ["/bin/sh"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._home,
            env=self._environment,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        # without the end of output, which is of the whole channel: where stdout ends first, what
        # stderr still has would come after it, and asyncssh breaks the connection
        await process.redirect(
            stdin=child.stdin, stdout=child.stdout, stderr=child.stderr, send_eof=False
        )
        code = await child.wait()
        with contextlib.suppress(asyncssh.Error, OSError):
            await process.stdout.drain()
            await process.stderr.drain()
            if code < 0:
                process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
            else:
                process.exit(code)


def _end_all() -> None:
    """Kills every process below this one. The orphans among them are its children by now."""
    while found := _below(os.getpid()):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _below(top: int) -> set[int]:
    parents = {}
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if path.name.isdigit():
                state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(path.name)] = int(parent)
    found = {top}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {top}


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _Link:
    """Stands between client and server: a slow network, or one that breaks once."""

    def __init__(self, port: int, rate: float | None, drop_after: int | None) -> None:
        self._port, self._rate, self._drop_after = port, rate, drop_after

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)
        both = (writer, to_writer)
        await asyncio.gather(
            self._copy(reader, to_writer, both, inward=True),
            self._copy(to_reader, writer, both, inward=False),
        )

    async def _copy(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        inward: bool,
    ) -> None:
        moved = 0
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                moved += len(data)
                if inward and self._drop_after is not None and moved >= self._drop_after:
                    self._drop_after = None
                    for writer in both:
                        writer.transport.abort()
                    return
                if self._rate is not None:
                    await asyncio.sleep(len(data) / self._rate)
                target.write(data)
                await target.drain()
        target.close()


async def _serve(settings: dict[str, Any]) -> None:
    folder = Path(settings["ssh"])
    faults: dict[str, str] = settings["faults"]
    alias, user = settings["alias"], settings["environment"]["USER"]
    host, other, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    authorized = folder / "authorized_keys"
    authorized.write_bytes(client.export_public_key())
    key = folder / "client_key"
    key.touch(mode=0o600)
    key.write_bytes(client.export_private_key())
    commands = _Commands(settings)
    os.chdir(settings["environment"]["HOME"])  # where sftp begins
    slow, drop = faults.get("slow-link"), faults.get("dropped-connection")
    options: dict[str, Any] = {
        "server_factory": lambda: _Login(user, str(authorized)),
        "server_host_keys": [host],
        "process_factory": commands.run,
        "sftp_factory": True,
        "allow_scp": True,
        "encoding": None,
        "keepalive_interval": 15,
    }
    acceptor = await asyncssh.listen("127.0.0.1", 0, **options)
    port = acceptor.get_port()
    if slow or drop:
        rate = float(slow) * 1000 if slow else None
        link = _Link(port, rate, int(drop) * 1000 if drop else None)
        public = await asyncio.start_server(link.serve, "127.0.0.1", 0)
        port = public.sockets[0].getsockname()[1]
    shown = other if "wrong-host-key" in faults else host
    known = folder / "known_hosts"
    known.write_bytes(alias.encode() + b" " + shown.export_public_key())
    (folder / "config").write_text(_config(alias, user, port, key, known))
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    print(port, flush=True)
    await over.wait()
    _end_all()


def _config(alias: str, user: str, port: int, key: Path, known: Path) -> str:
    quoted = [_quoted(path) for path in (key, known)]
    return "\n".join(
        [
            "# A virtual board, as long as its server runs.",
            f"Host {alias}",
            "    HostName 127.0.0.1",
            f"    Port {port}",
            f"    User {user}",
            f"    HostKeyAlias {alias}",
            f"    IdentityFile {quoted[0]}",
            "    IdentitiesOnly yes",
            "    IdentityAgent none",
            f"    UserKnownHostsFile {quoted[1]}",
            "    GlobalKnownHostsFile /dev/null",
            "    StrictHostKeyChecking yes",
            "    PreferredAuthentications publickey",
            "",
        ]
    )


def _quoted(path: Path) -> str:
    """The path as ssh_config takes it, whatever characters it has."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("%", "%%") + '"'


if __name__ == "__main__":
    parent = os.getppid()
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    given = json.loads(Path(sys.argv[1]).read_text())
    if parent == given["parent"]:  # else it has ended meanwhile
        asyncio.run(_serve(given))
