"""The sh scripts that run on a board, and what their failures mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.errors import BoardError
from pipeline.tools.ssh import Host, run_script

REMOTE = Path(__file__).with_name("remote")
KINDS = {
    "absent": "the release {detail} is not there any more; deploy again",
    "busy": "another deploy is using its FPGA, or the driver of one whose connection was lost; "
    "try again in a minute (lock: {detail})",
    "cannot_write": "cannot write {detail}. Check its owner (ls -ld), or choose another folder: "
    "deploy_folder in local.toml, relative to the home of the board's user",
    "damaged": "what is there is not what was sent ({detail}); nothing of it is used. Try again; "
    "if it happens again, check the board's memory and SD card",
    "failed": "the driver ended with exit code {detail}",
    "locked": "another deploy holds {detail} for longer than 30 s. Try again; the lock goes with "
    "the process that holds it",
    "no_release": "there is no release before the current one; ./doit deploy installs one",
    "no_space": "its disk is full: {detail}. Make room there (df -h ~; du -sh ~/* | sort -h), then "
    "try again; what was installed is as it was",
    "root_needed": "the driver needs root, and sudo asks for a password: see docs/board.md, Root",
    "too_slow": "it took longer than {detail} s and was given up. Check the network, then try "
    "again; nothing half done is used",
}
"""What each kind of failure of a script means, for the user."""


def run(
    machine: Host,
    name: str,
    *arguments: object,
    log: Path,
    seconds: float,
    feed: Iterable[bytes] = (),
    on_line: Callable[[str], None] = lambda line: None,
    expected: Iterable[str] = (),
) -> tuple[str, str]:
    """Runs remote/<name>.sh and returns how it ended: "ok" or one of `expected`, and its detail.

    Raises BoardError for any other end.
    """
    status = run_script(
        machine,
        source(name),
        map(str, arguments),
        log=log,
        seconds=seconds,
        feed=feed,
        on_line=on_line,
    )
    kind, detail = str(status.get("kind")), str(status.get("detail"))
    if kind == "ok" or kind in expected:
        return kind, detail
    words = KINDS.get(kind, f"the script {name} ended with {kind!r}: {{detail}}")
    raise BoardError(f"{machine.word}: {words.format(detail=detail)}")


def source(name: str) -> str:
    """A script as it is sent: what all of them begin with, then its own lines."""
    return "".join((REMOTE / f"{part}.sh").read_text() for part in ("prelude", name))
