"""Licences of the vendor's tools: which are meant, and what a licence file says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipeline.tools.files import content

VARIABLE = "XILINXD_LICENSE_FILE"
_SERVER = re.compile(r"(?:(?P<port>[0-9]{1,5}))?@(?P<host>[A-Za-z0-9_.-]+)")
_DEFAULT_PORT = 27000
"""The first of the ports (to 27009) that are tried for a server without a port."""
_MOST_BYTES = 1 << 20
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FEATURE = re.compile(
    r"^(?:INCREMENT|FEATURE)[ \t]+(\S+)[ \t]+\S+[ \t]+([0-9.]+)[ \t]+"
    r"(permanent|\d{1,2}-[a-z]{3}-\d{1,4})[ \t].*$",
    re.IGNORECASE | re.MULTILINE,
)
_EXPIRY = re.compile(r"(\d{1,2})-([a-z]{3})-(\d{1,4})", re.IGNORECASE)
_HOST_ID = re.compile(r"HOSTID=(?:\"([^\"]*)\"|(\S+))", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """A licence server."""

    host: str
    port: int


@dataclass(frozen=True)
class Feature:
    """A line of a licence file. until: its last day; None: for ever. hosts: ids of machines."""

    name: str
    version: str
    until: date | None
    hosts: tuple[str, ...]


def licence_of(settings: Mapping[str, Any]) -> str | None:
    """The value of XILINXD_LICENSE_FILE for a run: the setting, or this environment's."""
    return settings.get("licence") or os.environ.get(VARIABLE) or None


def found_by_itself() -> list[Path]:
    """The licence files that the tools find without being told."""
    return sorted((Path.home() / ".Xilinx").glob("*.lic"))


def servers_of(licence: str | None) -> list[Server]:
    """The servers that a licence names. Three that share their work are joined by commas."""
    words = re.split(r"[:,]", licence or "")
    found = [_SERVER.fullmatch(word) for word in words]
    return [Server(word["host"], int(word["port"] or _DEFAULT_PORT)) for word in found if word]


def files_of(licence: str | None) -> list[Path]:
    """The files or folders that a licence names."""
    words = (licence or "").split(":")
    return [Path(word).expanduser() for word in words if word and "@" not in word]


def needs_network(licence: str | None) -> bool:
    """Whether a run must see this machine's network: a server, or a host id of its cards.

    No licence at all, as for the free edition, needs none.
    """
    return bool(licence)


def features(path: Path) -> list[Feature]:
    """What a licence file permits; empty if it is none. Lines may be continued by a backslash."""
    text = (content(path, _MOST_BYTES) or b"").decode("utf-8", "replace")
    text = re.sub(r"\\\r?\n\s*", " ", text)
    found = []
    for line in _FEATURE.finditer(text):
        hosts = _HOST_ID.search(line[0])
        ids = tuple((hosts[1] or hosts[2]).lower().split()) if hosts else ()
        found.append(Feature(line[1], line[2], _day(line[3]), ids))
    return found


def _day(word: str) -> date | None:
    """The day in an expiry such as 31-dec-2024; None for "permanent", and for the year 0."""
    found = _EXPIRY.fullmatch(word)
    if found is None or int(found[3]) == 0 or found[2].lower() not in _MONTHS:
        return None
    try:
        return date(int(found[3]), _MONTHS.index(found[2].lower()) + 1, int(found[1]))
    except ValueError:
        return None
