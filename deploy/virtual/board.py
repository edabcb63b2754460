"""Starts a virtual board: its root folder, its SSH server, and an ssh_config that leads there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.check import DEVICE_TREE
from deploy.virtual import faults as known_faults
from deploy.virtual.disk import disk_limit
from deploy.virtual.environment import ROOT, environment
from deploy.virtual.plugin.virtual_board.settings import Settings
from pipeline.errors import ToolError
from pipeline.tools.process import MARK, end_marked, new_mark
from specs.board import BoardSpec
from specs.catalog import find

ALIAS, USER, PASSWORD = "virtual-board", "xilinx", "xilinx"
_HERE = Path(__file__).parent
_MACHINES = {"zynq-7000": "armv7l", "zynq-us+": "aarch64"}
_START_SECONDS = 30


@dataclass(frozen=True)
class VirtualBoard:
    """A running virtual board: `ssh -F <config> <alias>` leads to it. root: its root folder."""

    config: Path
    alias: str
    port: int
    root: Path
    server: int
    """The process id of its SSH server."""


@contextlib.contextmanager
def start(
    board: str | BoardSpec = "Pynq-Z1",
    pynq: str = "3.1",
    faults: Iterable[str] = (),
    *,
    password: str | None = PASSWORD,
    folder: Path | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[VirtualBoard]:
    """A virtual board, for as long as the context lasts. No process of it outlives that.

    faults: words such as "slow-link=100"; faults.py has the list. password: what its sudo asks for;
    None: nothing. folder: where the board keeps its files, which then outlive the context, as those
    of a board do. cache: keeps compiled shells. say: told when pynq is installed on first use.
    Raises SpecError, MissingTool and ToolError.
    """
    spec = find(BoardSpec, "board", board, Path.cwd())[1] if isinstance(board, str) else board
    switched_on = known_faults.parse(faults)
    python = environment(pynq, say)
    cache = (cache or ROOT / "build" / ".cache").resolve()
    with contextlib.ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="virtual-board-")))
        root = (temporary / "root") if folder is None else folder.resolve()
        settings = Settings(
            root=str(root),
            board=spec.name,
            part=switched_on.get("wrong-part", spec.part),
            family=spec.family,
            machine=_MACHINES[spec.family],
            pynq=pynq,
            python=str(python),
            faults=switched_on,
            sudo_password=password,
            shell_module=str(ROOT / "pipeline" / "simulation" / "shell.py"),
            compiler=[sys.executable, "-m", "pipeline.simulation.build_shell"],
            compiler_environment=_compiler_environment(),
            repository=str(ROOT),
            cache=str(cache),
        )
        _furnish(settings)
        mark = new_mark()
        environ = {**_environment(settings), MARK: mark}
        if (left := switched_on.get("full-disk")) is not None:
            environ |= disk_limit(root, temporary, int(left) * 1000)
        ssh = temporary / "ssh"
        ssh.mkdir(mode=0o700)
        orders = temporary / "server.json"
        document = {"ssh": str(ssh), "faults": switched_on, "environment": environ, "alias": ALIAS,
                    "parent": os.getpid()}  # fmt: skip
        orders.write_text(json.dumps(document))
        server = stack.enter_context(_server(python, orders, temporary / "server.log", environ))
        stack.callback(end_marked, mark)
        port = _ready(server, temporary / "server.log")
        yield VirtualBoard(ssh / "config", ALIAS, port, root, server.pid)
        server.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=5)


@contextlib.contextmanager
def _server(
    python: Path, orders: Path, log: Path, environ: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    # not in the board's own environment: the server is not what runs on the board
    kept = {key: environ[key] for key in (MARK, "PATH", "LD_PRELOAD", "QNN_DISK_LEFT")
            if key in environ}  # fmt: skip
    with log.open("w") as errors:
        server = subprocess.Popen(
            [python, "-P", _HERE / "server.py", orders],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=kept,
            start_new_session=True,
        )
    try:
        yield server
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def _ready(server: subprocess.Popen[str], log: Path) -> int:
    assert server.stdout is not None
    line = server.stdout.readline().strip()
    if not line.isdigit():
        raise ToolError(f"the virtual board's SSH server did not start:\n{log.read_text()}")
    return int(line)


def _environment(settings: Settings) -> dict[str, str]:
    """What a command finds on the board: nothing of this machine's environment."""
    root = Path(settings.root)
    path = [root / "usr" / "local" / "bin", Path(settings.python).parent, "/usr/bin", "/bin"]
    return {
        "PATH": os.pathsep.join(map(str, path)),
        "HOME": str(root / "home" / USER),
        "USER": USER,
        "LOGNAME": USER,
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "TMPDIR": str(root / "tmp"),
        "QNN_BOARD_ROOT": str(root),
    }


def _compiler_environment() -> dict[str, str]:
    """What the compiler of simulated bitfiles needs of the environment of this machine."""
    kept = ("PATH", "HOME", "CXX", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _furnish(settings: Settings) -> None:
    """Makes the folders and files that a PYNQ image has. What a board has kept stays."""
    root = Path(settings.root)
    manager = root / "sys" / "class" / "fpga_manager" / "fpga0"
    profile = root / "etc" / "profile.d"
    tree = root / "proc" / "device-tree"
    tools = root / "usr" / "local" / "bin"
    home = root / "home" / USER
    for place in (manager, profile, tree / "chosen", tools, home, root / "root", root / "tmp",
                  root / "lib" / "firmware", root / "var"):  # fmt: skip
        place.mkdir(parents=True, exist_ok=True)
    for stand_in in (_HERE / "stand_ins").iterdir():
        shutil.copy(stand_in, tools)
    bin_folder = Path(settings.python).parent
    pynq = next(bin_folder.parent.glob("lib/python3*/site-packages/pynq"))
    each = 'for file in "$QNN_BOARD_ROOT"/etc/profile.d/*.sh; do . "$file"; done\n'
    board_path = f'"$QNN_BOARD_ROOT/usr/local/bin:{bin_folder}:/usr/bin:/bin"'
    texts = {
        profile / "boardname.sh": f"export BOARD={settings.board}\n",
        profile / "pynq_venv.sh": f"export PATH={board_path} VIRTUAL_ENV={bin_folder.parent}\n",
        profile / "xrt_setup.sh": "export XILINX_XRT=/usr\n",
        home / ".profile": each,
        root / "root" / ".profile": each,
        root / "etc" / "machine": f"{settings.machine}\n",
        root / "etc" / "default-xclbin": f"{pynq}/pl_server/default.xclbin\n",
        tree / "chosen" / "pynq_board": f"{settings.board}\0",
        tree / "compatible": f"{DEVICE_TREE[settings.family]}\0",
        manager / "name": "Xilinx FPGA Manager (virtual)\n",
        manager / "flags": "0\n",
    }
    for path, text in texts.items():
        path.write_text(text)
    if not (manager / "state").exists():
        (manager / "state").write_text("unknown\n")
    asked = root / "etc" / "sudo-password"
    asked.unlink(missing_ok=True)
    if settings.sudo_password is not None:
        asked.write_text(f"{settings.sudo_password}\n")
    settings.save()
