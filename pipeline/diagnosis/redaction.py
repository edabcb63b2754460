"""Removes from a text what tells of its machine and its user: paths, names, licences, addresses."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PUBLIC = frozenset((
    "home", "root", "users", "usr", "opt", "var", "tmp", "tools", "mnt", "local", "share", "work",
    "build", "cache", "bin", "src", "lib", "xilinx", "amd", "vivado", "vitis", "vitis_hls", "hls",
    "data", "design", "designs", "project", "projects", "fpga", "board", "boards", "synth",
    "implement", "shell", "network", "localhost", "localdomain", "path", "machine", "licence",
    "removed", "address", "user", "ssh", "srun", "bsub", "sbatch", "xvfb-run", "docker", "podman",
    "apptainer", "qnn-vendor-tools", "virtual",
))  # fmt: skip
"""Words that tell nothing of a user, or that stand for what was removed."""
_GONE = "<removed>"
_PLACE = r"""[^\s'"`<>|;,:()\[\]{}]"""
"""A character of a path in a log."""
_HOST_ID = re.compile(r"\b[0-9A-Fa-f]{12}\b")
_FORMS = (
    # what FlexNet tells of licences: the rest of the line
    (r"(?im)^(.*\blicen[sc]e (path|file|server)s?\s*[:=]).*$", r"\1 <licence>"),
    (r"(?i)\b(XILINXD_LICENSE_FILE|LM_LICENSE_FILE)\s*[=:]?\s*\S+", r"\1=<licence>"),
    (
        r"(?i)\b((host ?id|serial|serial ?number|disk_serial_num|dna|ethernet)\s*[=:]\s*)\S+",
        r"\1<id>",
    ),
    # the lines in which the tools name the machine and the user
    (r"(?m)^(\| Host\s*:).*$", r"\1 <machine>"),
    (r"(?im)(\brunning on\s*:\s*)[^\s,]+", r"\1<machine>"),
    (r"For user '[^']*' on host '[^']*'", "For user '<user>' on host '<machine>'"),
    (r"(?i)\b((host|user) ?name\s*[=:]\s*)\S+", r"\1<machine>"),
    # addresses of any kind
    (r"(?<![\w.+-])\d{2,5}@[\w.-]+", "<licence>"),
    # neither a unit (tfc_1w1a@Pynq-Z1.vivado) nor a time (rise@0.000ns)
    (r"(?<![\w.+-])[\w.+-]+@(?!\d|[\w-]+\.(open|vivado)\b)[\w-]+(\.[\w-]+)*", "<address>"),
    (r"\b(ssh|https?|ftp|file)://(?!(docs\.amd|www\.xilinx|github)\.com/)\S+", "<address>"),
    (r"\b([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b", "<id>"),
    (r"(?i)\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
    (r"\b(\d{1,3}\.){3}\d{1,3}\b", "<address>"),
    (r"(?i)(?<![\w:])([0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}(?![\w:])", "<address>"),
    # every path that is not of this build
    (rf"(?<![\w:.<>/~\])-])~?[\w-]*/(?!/){_PLACE}*", None),
    (rf"\b[A-Za-z]:[\\/]{_PLACE}+", "<path>"),
)
"""What is removed wherever it stands. The rule for paths keeps those that are not absolute."""


@dataclass(frozen=True)
class Machine:
    """What must not be told. roots: folders whose tails may be kept, by what stands for them.

    hidden: other folders. words: names of the user, machine, servers. licences: values of the
    licence variable, of which no part may be told.
    """

    roots: Mapping[str, Path]
    hidden: tuple[Path, ...] = ()
    words: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()

    def secrets(self) -> set[str]:
        """Every single word that may not be told."""
        paths = [*self.roots.values(), *self.hidden]
        found = {part for path in paths for part in path.parts}
        for text in (*self.licences, *self.words):
            names = re.split(r"[:;,@/\\\s]+", text)
            found |= {text, *names, *(part for name in names for part in _labels(name))}
        return {
            word
            for word in (text.strip("/\\ ") for text in found)
            if len(word) > 1 and word.lower() not in PUBLIC and not re.fullmatch(r"[\d.]+", word)
        }


class Redactor:
    """Removes from texts what the owner of a machine may not want to tell."""

    def __init__(self, machine: Machine) -> None:
        roots = {
            str(form): f"<{name}>"
            for name, path in machine.roots.items()
            for form in (path, path.resolve())
            if len(form.parts) > 1
        }
        self._roots = [
            (re.compile(rf"(?<![\w.-]){re.escape(root)}(?![\w.-])"), roots[root])
            for root in sorted(roots, key=len, reverse=True)
        ]
        hidden = {str(form) for path in machine.hidden for form in (path, path.resolve())}
        self._hidden = [
            re.compile(rf"(?<![\w.-]){re.escape(folder)}(?![\w.-]){_PLACE}*")
            for folder in sorted((text for text in hidden if len(text) > 1), key=len, reverse=True)
        ]
        self._forms = [(re.compile(pattern), mark) for pattern, mark in _FORMS]
        words = sorted(machine.secrets(), key=len, reverse=True)
        self._words = re.compile(
            "|".join(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])" for word in words)
            or r"(?!)",
            re.IGNORECASE,
        )
        names = [word for word in words if len(word) > 3 and _is_name(word, machine)]
        names = [word for word in names if word.lower() not in _GONE]  # or it would never end
        self._names = re.compile("|".join(map(re.escape, names)) or r"(?!)", re.IGNORECASE)

    def text(self, text: str) -> str:
        for root, name in self._roots:
            text = root.sub(name, text)
        for folder in self._hidden:
            text = folder.sub("<path>", text)
        for pattern, mark in self._forms:
            text = pattern.sub(_path if mark is None else mark, text)
        # what is left of names, in a form that no rule knows; until nothing changes, since removing
        # one word may bring together the parts of another
        while (after := self._names.sub(_GONE, self._words.sub(_GONE, text))) != text:
            text = after
        return _HOST_ID.sub("<id>", text)

    def name(self, name: str) -> str:
        """A file's name for the archive: without secrets, and of plain characters."""
        return re.sub(r"[^A-Za-z0-9_.@/-]", "_", self.text(name).replace("<", "").replace(">", ""))


def _path(match: re.Match[str]) -> str:
    """What stands for a path. One that begins with a name ("network/layer_0") is no file's."""
    text = match[0]
    return "<path>" if text[0] in "/~" and len(text) > 1 and text.strip("/") else text


def _labels(name: str) -> list[str]:
    """The parts of a server's name, but not its country or the like ("org")."""
    labels = name.split(".")
    return labels[:-1] if len(labels[-1]) < 4 else labels


def _is_name(word: str, machine: Machine) -> bool:
    """Whether a word is a name of a user, machine or server, which is removed within words, too."""
    return any(word in whole for whole in (*machine.words, *machine.licences))


def this_machine(settings: Mapping[str, object], build: Path, root: Path) -> Machine:
    """What may not be told of this machine and these settings."""
    roots = {"build": build, "pipeline": root}
    for name, variable in (("vivado", "XILINX_VIVADO"), ("vitis", "XILINX_VITIS")):
        if place := settings.get(name) or os.environ.get(variable):
            roots[name] = Path(str(place))
    hidden = (Path.home(), Path.cwd(), Path(os.environ.get("PIPELINE_CWD", ".")).absolute())
    licences = [settings.get("licence"), *map(os.environ.get, _LICENCES)]
    given = [settings.get(name) for name in ("launcher", "host", "container_image", "rendezvous")]
    words = [*_names(), *(word for text in given if text for word in str(text).split())]
    return Machine(
        roots, hidden, tuple(words), tuple(str(licence) for licence in licences if licence)
    )


_LICENCES = ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE")


def _names() -> Iterable[str]:
    """The names of this user and machine."""
    yield socket.gethostname()
    yield socket.getfqdn()
    try:
        yield getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        return
