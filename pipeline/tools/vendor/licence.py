"""What the setting `licence` names, as XILINXD_LICENSE_FILE does: servers and files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SERVER = re.compile(r"(?:(?P<port>[0-9]{1,5}))?@(?P<host>[A-Za-z0-9_.-]+)")
_DEFAULT_PORT = 27000
"""The first of the ports (to 27009) that are tried for a server without a port."""


@dataclass(frozen=True)
class Server:
    """A licence server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.port}@{self.host}"


def servers_of(licence: str | None) -> list[Server]:
    """The servers that the setting names. Three that share their work are joined by commas."""
    words = re.split(r"[:,]", licence or "")
    found = [_SERVER.fullmatch(word) for word in words]
    return [Server(word["host"], int(word["port"] or _DEFAULT_PORT)) for word in found if word]


def files_of(licence: str | None) -> list[Path]:
    """The files or folders that the setting names."""
    words = (licence or "").split(":")
    return [Path(word).expanduser() for word in words if word and "@" not in word]


def needs_network(licence: str | None) -> bool:
    """Whether a run must see this machine's network: a server, or a host id of its cards.

    No licence at all, as for the free edition, needs none.
    """
    return bool(licence)
