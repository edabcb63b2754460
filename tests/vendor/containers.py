"""Podman for tests, with a thin image of this machine's own programs: no registry is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

IMAGE = "localhost/qnn-test-thin"
NO_ENGINE = "no container engine works here"
_PROGRAMS = (
    *("bash", "cat", "chmod", "cp", "cut", "date", "dirname", "echo", "env", "flock", "grep"),
    *("head", "id", "kill", "ln", "ls", "mkdir", "mktemp", "mv", "printf", "readlink", "rm"),
    *("seq", "setsid", "sh", "sleep", "sort", "stat", "tail", "tclsh", "touch", "tr", "true"),
    *("uname", "wc"),
)


@contextmanager
def podman() -> Iterator[str]:
    """Makes podman work with a storage of its own, and gives the name of a thin image in it.

    Skips the test where podman does not work. Nothing of the user's podman is touched.
    """
    if shutil.which("podman") is None:
        pytest.skip(NO_ENGINE)
    # podman waits 20 s at each end of a container if this path has more than 50 characters
    folder = Path(tempfile.mkdtemp(prefix="qnn-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        (folder / "containers.conf").write_text(
            # the limits that podman sets by default may be above those of this machine
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
            f'[engine]\nevents_logger = "file"\ntmp_dir = "{folder}/tmp"\n'
        )
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\nrunroot = "{folder}/run"\n'
            f'graphroot = "{folder}/graph"\n'
        )
        patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        _thin_root(folder / "root.tar")
        try:
            _call("import", folder / "root.tar", IMAGE)
            _call(
                "run", "--rm", "--init", "--network=none", "--pull=never", IMAGE, "bash", "-c", ":"
            )
            yield IMAGE
        finally:
            # all of this storage
            subprocess.run(["podman", "rm", "--all", "--force", "--time=0"], check=False)
            for line in reversed(Path("/proc/mounts").read_text().splitlines()):
                if (place := line.split()[1]).startswith(f"{folder}/"):
                    subprocess.run(["umount", place], check=False)
            shutil.rmtree(folder, ignore_errors=True)


def left() -> list[str]:
    """The containers that podman knows of."""
    told = subprocess.run(
        ["podman", "ps", "--all", "--format={{.Names}}"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return told.stdout.split()


def _call(*words: str | Path) -> None:
    done = subprocess.run(
        ["podman", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        pytest.skip(NO_ENGINE)


def _thin_root(place: Path) -> None:
    """A root file system of this machine's programs, and the libraries that they load."""
    wanted: dict[str, Path] = {}
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found is None:
            continue
        program = Path(found).resolve()
        wanted[f"usr/bin/{name}"] = program
        told = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=False)
        for library in re.findall(r"(?:^|\s)(/\S+)", told.stdout):
            wanted[library.lstrip("/")] = Path(library).resolve()
    with tarfile.open(place, "w") as tar:
        for folder in ("tmp", "proc", "sys", "dev", "etc", "root", "var/tmp"):
            made = tarfile.TarInfo(folder)
            made.type, made.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(made)
        for name, path in wanted.items():
            if name.startswith("usr/bin/") or not name.startswith("bin/"):
                tar.add(path, arcname=name)
        if not any(name.startswith("bin/") for name in wanted):
            link = tarfile.TarInfo("bin")
            link.type, link.linkname = tarfile.SYMTYPE, "usr/bin"
            tar.addfile(link)
        for data in (Path("/usr/share/tcltk"), Path("/usr/lib/locale/C.utf8")):
            if data.is_dir():
                tar.add(data, arcname=str(data).lstrip("/"))
