"""Runs sh scripts on other machines with the OpenSSH client of this one.

Keys, agent and ~/.ssh/config are the user's. No password is ever asked for by ssh, and a machine
whose host key is not known is refused.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BoardError, MissingTool, SpecError, ToolError
from pipeline.tools.process import run_tool
from pipeline.tools.watch import Watch
from specs.paths import shown

ALLOWED = "allowed: a name of ~/.ssh/config, HOST, USER@HOST or USER@HOST:PORT"
VIRTUAL = "virtual"
"""Names no machine: a board that is simulated here."""
STATUS = "@status "
"""Prefix of the last line of a script: one JSON object. Without that line the script did not end,
whatever the exit code of ssh: 255 may be ssh's own or the script's."""
_CHUNK = 1 << 16
_CONNECT_SECONDS = 10
_KEPT = 40
"""How many of the last lines of ssh are looked at for the reason of a failure."""

_HOST = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})@)?"
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_OPTIONS = {
    "BatchMode": "yes",  # never asks: nobody may be there to answer
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": str(_CONNECT_SECONDS),
    "ConnectionAttempts": "1",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "LogLevel": "INFO",  # the reasons of failures are read from what it says
    "ControlMaster": "no",  # a master of the user's is used, but none is left behind
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "PermitLocalCommand": "no",
}
"""Options that stand above those of the user's configuration."""


@dataclass(frozen=True)
class Host:
    """A machine as the user names it. config: the file to read in place of ~/.ssh/config."""

    word: str
    target: str
    port: int | None = None
    config: Path | None = None

    def argv(self, command: str) -> list[str]:
        options = [part for name, value in _OPTIONS.items() for part in ("-o", f"{name}={value}")]
        config = [] if self.config is None else ["-F", str(self.config)]
        port = [] if self.port is None else ["-p", str(self.port)]
        return ["ssh", *config, "-T", *options, *port, "--", self.target, command]


def host(word: str, config: Path | None = None) -> Host:
    """The machine that `word` names. SpecError: it is no name, e.g. would be an option of ssh."""
    found = _HOST.fullmatch(word)
    port = None if found is None or found["port"] is None else int(found["port"])
    if found is None or (port is not None and not 0 < port < 1 << 16):
        raise SpecError(f"host={shown(word)}: not the name of a machine; {ALLOWED}")
    user = "" if found["user"] is None else f"{found['user']}@"
    return Host(word, user + found["name"].strip("[]"), port, config)


def run_script(
    machine: Host,
    script: str,
    arguments: Iterable[str] = (),
    *,
    log: Path,
    seconds: float,
    feed: Iterable[bytes] = (),
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Runs an sh script on a machine, with `feed` as its input, and returns its status object.

    The script comes over the connection's standard input: no file of it is left there, and the
    command line holds only the arguments. Its last line must begin with `STATUS`. seconds: the time
    limit of the whole call. on_line gets the other lines as they come.

    Raises BoardError, in words, if the machine cannot be reached, refuses, or the connection ends
    before the status has come.
    """
    source = script.encode()
    words = shlex.join(["qnn", *arguments])
    # dd of single bytes takes exactly the script and leaves the rest; sh -s may read ahead
    command = f"""exec sh -c 'eval "$(dd bs=1 count={len(source)} 2>/dev/null)"' {words}"""
    tail: deque[str] = deque(maxlen=_KEPT)
    found: list[dict[str, Any]] = []

    def line_came(line: str) -> None:
        if line.startswith(STATUS):
            found[:] = [status] if (status := _status(line)) is not None else []
            return
        tail.append(line)
        on_line(shown(line.rstrip("\r")))

    def input_of_all() -> Iterator[bytes]:
        yield source
        yield from feed

    watch = Watch()
    watch.begin(seconds)
    try:
        run_tool(
            machine.argv(command),
            log=log,
            env={"LC_ALL": "C"},  # the system's reasons in English
            watch=watch,
            on_line=line_came,
            tool_errors=False,
            feed=input_of_all(),
        )
    except MissingTool:
        raise MissingTool(
            "ssh: no such program on this machine; install the OpenSSH client (Debian, Ubuntu: "
            "apt install openssh-client)"
        ) from None
    except ToolError:
        if not found:
            raise BoardError(_reason(machine, list(tail), watch, seconds, log)) from None
    if not found:
        told = "its shell ended before the script did"
        raise BoardError(f"{machine.word}: {told}{_last(tail)}; log: {log}")
    return found[0]


def file_chunks(path: Path, sent: Callable[[int], None] = lambda count: None) -> Iterator[bytes]:
    """The content of a file, piece by piece; `sent` is told the bytes that were taken so far."""
    count = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
            count += len(chunk)
            sent(count)


def _status(line: str) -> dict[str, Any] | None:
    try:
        status = json.loads(line[len(STATUS) :])
    except ValueError:
        return None
    return status if isinstance(status, dict) else None


_REASONS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one that was known: another machine answers, or the board's image "
        "was written anew. Only if you know why: ssh-keygen -R {known}, then connect once with "
        "ssh {target} and compare the fingerprint",
    ),
    (
        r"Host key verification failed|No \S+ host key is known",
        "its host key is not known yet. Connect once with: ssh {target}, compare the fingerprint "
        "with the board's (on it: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), and say yes",
    ),
    (
        r"Bad owner or permissions on|[Bb]ad configuration option|terminating, \d+ bad conf"
        r"|Can't open user config file",
        "the configuration of ssh on this machine is wrong. Mend it, then try again",
    ),
    (
        r"Could not resolve hostname|Name or service not known",
        "there is no machine of this name. Check host=, the board's network, and ~/.ssh/config; "
        "its address works, too: host=xilinx@192.168.2.99",
    ),
    (
        r"No route to host|[Nn]etwork is unreachable",
        "no network leads to it. Check the board's power, cable and address",
    ),
    (
        r"Connection refused",
        "it is there, but no SSH server answers. Wait until the board has started; check the port; "
        "on the board: sudo systemctl start ssh",
    ),
    (
        r"Permission denied|Too many authentication failures|no such identity"
        r"|UNPROTECTED PRIVATE KEY|signing failed",
        "it refuses your key. Give it your public key once: ssh-copy-id {target}. If the key has a "
        "pass phrase: ssh-add first; passwords are not asked for here",
    ),
    (
        r"Unable to negotiate|no matching (host key|key exchange|cipher)",
        "it and this machine's ssh have no algorithm in common. Update the board's image",
    ),
    (
        r"Connection timed out|Operation timed out|timed out during banner",
        "it does not answer. Check the board's power, cable and address",
    ),
    (
        r"Timeout, server .* not responding",
        "the connection was lost: the machine stopped answering. Check power and network, then run "
        "the same command again: nothing half done is used",
    ),
    (
        r"closed by remote host|[Cc]onnection (closed|reset)|Broken pipe|send disconnect",
        "the connection was lost before the end. Run the same command again: nothing half done is "
        "used",
    ),
)
"""What ssh says for each kind of failure, and what the user reads; the first that fits is taken."""


def _reason(machine: Host, lines: list[str], watch: Watch, seconds: float, log: Path) -> str:
    if watch.struck is not None:
        return (
            f"{machine.word}: did not end within {seconds:g} s and was given up; it may be "
            f"overloaded, or the network too slow. Log: {log}"
        )
    text = "\n".join(lines)
    for pattern, words in _REASONS:
        if (found := re.search(f".*(?:{pattern}).*", text)) is not None:
            changed = re.search(r"Host key for (\S+) has changed", text)
            known = machine.target.rpartition("@")[2] if changed is None else changed[1]
            port = "" if machine.port is None else f"-p {machine.port} "
            told = words.format(known=shlex.quote(known), target=port + machine.target)
            return f"{machine.word}: {told}.\n  ssh said: {shown(found[0].strip())}"
    return f"{machine.word}: the command there ended without its result{_last(lines)}; log: {log}"


def _last(lines: Iterable[str]) -> str:
    said = [line.strip() for line in lines if line.strip()]
    return f": {shown(said[-1])[:200]}" if said else ""
