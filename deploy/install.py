"""Installs a package on a board as a release, and goes back to the release before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy import scripts
from pipeline.tools.files import sha256
from pipeline.tools.ssh import Host, file_chunks

KEPT_RELEASES = 3
CALL_SECONDS = 120.0
"""The time limit of a call that moves no files and does not use the FPGA."""
SLOWEST_BYTES_PER_SECOND = 50_000
"""A transfer that is slower than this is given up."""

Show = Callable[[str], None]


@dataclass(frozen=True)
class Board:
    """A board that can be reached: its machine, the folder of our files there, and our logs.

    password: sudo's there, if it asks for one; it goes over the connection's input and nowhere
    else. virtual: the board is simulated. show gets the lines that the user sees.
    """

    machine: Host
    folder: str
    logs: Path
    password: str | None = field(default=None, repr=False)
    virtual: bool = False
    show: Show = field(default=print)

    def run(
        self,
        script: str,
        *arguments: object,
        seconds: float = CALL_SECONDS,
        log: Path | None = None,
        **more: Any,
    ) -> tuple[str, str]:
        """Runs a script with our folder as its first argument, as `scripts.run` does."""
        log = log or self.logs / f"{script}.log"
        return scripts.run(
            self.machine, script, self.folder, *arguments, log=log, seconds=seconds, **more
        )

    def run_with_root(
        self, script: str, *arguments: object, feed: Iterable[bytes] = (), **more: Any
    ) -> tuple[str, str]:
        """The same for a script that becomes root there: it gets the password, if there is one."""
        if self.password is None:
            return self.run(script, "none", *arguments, feed=feed, **more)
        with_password = (f"{self.password}\n".encode(), *feed)
        return self.run(script, "password", *arguments, feed=with_password, **more)


@dataclass(frozen=True)
class Package:
    """A package that was read and found whole.

    sums: its files' checksums, as sha256sum reads them. size: bytes of all its files.
    """

    tar: Path
    digest: str
    sums: bytes
    size: int

    @property
    def release(self) -> str:
        """The name of its release: the design, and what else is in the package."""
        return f"{self.digest}-{sha256(self.tar)[:8]}"

    @property
    def sums_digest(self) -> str:
        return hashlib.sha256(self.sums).hexdigest()


def install(board: Board, package: Package) -> None:
    """Makes the package the current release. It travels only if it is not there, and intact.

    Raises BoardError; the release that was current before then still is.
    """
    kind, _ = board.run(
        "switch",
        package.release,
        package.sums_digest,
        KEPT_RELEASES,
        expected=("absent", "damaged"),
        on_line=board.show,
    )
    if kind == "ok":
        board.show("the package is there already")
        return
    seconds = transfer_seconds(package.tar.stat().st_size)
    board.run(
        "receive",
        package.release,
        KEPT_RELEASES,
        package.size,
        len(package.sums),
        int(seconds),
        seconds=seconds + CALL_SECONDS,
        feed=_stream(package, board.show),
        on_line=board.show,
    )
    board.show(f"installed {package.release}")


def rollback(board: Board) -> str:
    """Makes the release before the current one the current one; returns its name."""
    return board.run("rollback", on_line=board.show)[1]


def send_testset(board: Board, file: Path) -> str:
    """Sends a test set unless it is there; returns its name there: its sha256."""
    digest, size = sha256(file), file.stat().st_size
    if board.run("testset", digest, 0, 0, expected=("absent",))[0] == "ok":
        board.show("the test set is there already")
        return digest
    seconds = transfer_seconds(size)
    board.run(
        "testset",
        digest,
        size,
        int(seconds),
        seconds=seconds + CALL_SECONDS,
        feed=file_chunks(file, _progress("test set", size, board.show)),
    )
    return digest


def transfer_seconds(size: int) -> float:
    return 60 + size / SLOWEST_BYTES_PER_SECOND


def _stream(package: Package, show: Show) -> Iterator[bytes]:
    yield package.sums
    size = package.tar.stat().st_size
    yield from file_chunks(package.tar, _progress("package", size, show))


def _progress(what: str, size: int, show: Show) -> Callable[[int], None]:
    """Shows each tenth of a transfer."""
    shown = 0

    def sent(count: int) -> None:
        nonlocal shown
        tenth = 10 * count // max(size, 1)
        if tenth > shown:
            shown = tenth
            show(f"{what}: {count / 2**20:,.1f} of {size / 2**20:,.1f} MiB sent")

    return sent
