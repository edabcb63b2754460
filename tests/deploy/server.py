"""An SSH server on loopback whose commands run here, in a home folder of their own.

The client is this machine's OpenSSH. Nothing of the user's is used: no key, agent or configuration.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from pipeline.tools.ssh import Host, host

ALIAS = "board"


@dataclass
class Server:
    """What the server does, which a test may change at any time.

    folder: the board's root, with the home folder of its user; its name is one that quoting has to
    bear. client: the files of the client. programs: a folder before PATH. drop_after: the
    connection is cut when so many bytes of input have come. commands: those that were run.
    """

    folder: Path
    client: Path
    drop_after: int | None = None
    refuse_keys: bool = False
    commands: list[str] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        for part in (self.home, self.programs, self.client):
            part.mkdir(parents=True)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def programs(self) -> Path:
        return self.folder / "programs"

    @property
    def config(self) -> Path:
        return self.client / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.client / "known_hosts"

    @property
    def machine(self) -> Host:
        return host(ALIAS, self.config)

    def program(self, name: str, text: str) -> None:
        """A program of the board's that comes before the one of this machine."""
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    async def serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = process.command or ""
        self.commands.append(command)
        path = f"{self.programs}:{os.environ['PATH']}"
        child = await asyncio.create_subprocess_exec(
            "sh", "-c", command, cwd=self.home,
            env={"HOME": str(self.home), "PATH": path, "QNN_BOARD_ROOT": str(self.folder)},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert child.stdin is not None
        pump = asyncio.ensure_future(self._pump(process, child.stdin))
        # as in deploy/virtual/server.py
        await process.redirect(stdout=child.stdout, stderr=child.stderr, send_eof=False)
        code = await child.wait()
        pump.cancel()
        process.exit(code)

    async def _pump(
        self, process: asyncssh.SSHServerProcess[bytes], into: asyncio.StreamWriter
    ) -> None:
        come = 0
        try:
            while chunk := await process.stdin.read(1 << 15):
                come += len(chunk)
                if self.drop_after is not None and come > self.drop_after:
                    process.channel.get_connection().abort()
                    break
                into.write(chunk)
                await into.drain()
        except (ConnectionError, asyncssh.Error):
            pass
        into.close()


class _Login(asyncssh.SSHServer):
    def __init__(self, server: Server) -> None:
        self.server = server

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return not self.server.refuse_keys


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server that answers until the end of the block, and a client's files for it."""
    server = Server(folder / 'it\'s; a "bäd" $place', folder / "client")
    key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    (server.client / "key").write_bytes(key.export_private_key())
    (server.client / "key").chmod(0o600)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            lambda: _Login(server), "127.0.0.1", 0, server_host_keys=[host_key],
            process_factory=server.serve, encoding=None,
        )  # fmt: skip

    acceptor = asyncio.run_coroutine_threadsafe(start(), loop).result()
    server.port = acceptor.get_port()
    public = host_key.export_public_key().decode().strip()
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public}\n")
    server.config.write_text(
        f"Host {ALIAS}\n  HostName 127.0.0.1\n  Port {server.port}\n  User xilinx\n"
        f'Host *\n  IdentityFile "{server.client}/key"\n  IdentitiesOnly yes\n'
        "  IdentityAgent none\n"
        f'  UserKnownHostsFile "{server.known_hosts}"\n  GlobalKnownHostsFile /dev/null\n'
    )
    try:
        yield server
    finally:

        async def stop() -> None:
            acceptor.close()
            await acceptor.wait_closed()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
