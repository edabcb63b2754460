"""Which boards a user names, and how each is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.install import Board
from pipeline.tools.ssh import VIRTUAL, host
from specs.board import BoardSpec


def label(word: str) -> str:
    """A host's name as part of a stage's."""
    return "".join(sign if sign.isalnum() or sign in "_.@-" else "-" for sign in word)


@contextmanager
def reached(
    word: str,
    spec: BoardSpec,
    settings: Mapping[str, Any],
    logs: Path,
    show: Callable[[str], None],
    password: str | None = None,
) -> Iterator[Board]:
    """The board of this name, as long as the block lasts; "virtual" is started for it.

    spec: which board the virtual one is. settings: those of this machine. password: sudo's there.
    """
    folder = str(settings["deploy_folder"])
    if word != VIRTUAL:
        config = None if settings["ssh_config"] is None else Path(settings["ssh_config"])
        yield Board(host(word, config), folder, logs, password, show=show)
        return
    from deploy.virtual.board import PASSWORD, start  # noqa: PLC0415 - other boards need none of it

    build, pynq = Path(settings["build_dir"]), str(settings["pynq"])
    faults = str(settings["fault"]).split(",") if settings["fault"] else []
    place = build / ".virtual" / f"{spec.name}-pynq-{pynq}"
    with start(spec, pynq, faults, folder=place, cache=build / ".cache", say=show) as running:
        machine = host(running.alias, running.config)
        yield Board(machine, folder, logs, PASSWORD, virtual=True, show=show)
