"""The command lines of container engines: docker, podman and apptainer."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SpecError

IMAGE = "qnn-vendor-tools"
"""The image that docker/README.md says how to build. It has libraries only, no vendor tool."""
HOSTNAME = "vendor-tools"
"""Fixed, since some licences name the machine."""
OWN_CODES = {
    125: "the container was not started",
    126: "the program in the container cannot be executed",
    127: "the program is not in the container",
}
"""Exit codes of the engines themselves."""


@dataclass(frozen=True)
class Mount:
    """A path that the container sees under the same name."""

    path: Path
    writable: bool = False


@dataclass(frozen=True)
class Container:
    """A container engine, and the image. networked: a licence server or host id is needed."""

    engine: str
    image: str
    networked: bool = False

    def argv(self, folder: Path, mounts: Sequence[Mount], command: Sequence[str]) -> list[str]:
        """The whole command line of a run of `command` in `folder`."""
        if self.engine == "apptainer":
            return self._apptainer(folder, mounts, command)
        # docker needs the ids; podman of a user maps them, and podman of root has no need to
        user = [f"--user={os.getuid()}:{os.getgid()}"]
        if self.engine == "podman":
            user = ["--userns=keep-id"] if os.geteuid() else []
        return [
            self.engine,
            "run",
            "--rm",
            "--init",
            f"--name={self.name(folder)}",
            f"--hostname={HOSTNAME}",
            f"--network={'host' if self.networked else 'none'}",
            *user,
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--security-opt=label=disable",  # SELinux would forbid mounts that are not relabelled
            "--log-driver=none",  # the output comes here, and needs no second copy
            "--pull=never",
            *(f"--mount={_mount(mount)}" for mount in mounts),
            f"--workdir={folder}",
            self.image,
            *command,
        ]

    def _apptainer(
        self, folder: Path, mounts: Sequence[Mount], command: Sequence[str]
    ) -> list[str]:
        """Apptainer has no names or daemon: its container is a child of this command."""
        network = [] if self.networked else ["--net", "--network=none"]
        return [
            "apptainer",
            "exec",
            "--containall",
            "--no-home",
            *network,
            *(f"--bind={_bind(mount)}" for mount in mounts),
            f"--pwd={folder}",
            self.image,
            *command,
        ]

    def name(self, folder: Path) -> str:
        """The container's name: one for each work folder, so that what is left can be found."""
        return f"qnn-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"

    def removal(self, folder: Path) -> list[str] | None:
        """The command that ends and removes the container of `folder`, if there is one."""
        if self.engine == "apptainer":
            return None
        now = ["--time=0", "--ignore"] if self.engine == "podman" else []
        return [self.engine, "rm", "--force", *now, self.name(folder)]


def mounts(folder: Path, read: Iterable[Path]) -> list[Mount]:
    """The work folder writable, and what is read, also where its links lead. Nothing twice."""
    wanted = sorted({place for path in read for place in (_absolute(path), path.resolve())})
    kept: list[Path] = []
    for path in wanted:
        if not any(path.is_relative_to(other) for other in (*kept, folder)):
            kept.append(path)
    found = [*map(Mount, kept), Mount(folder, writable=True)]
    for mount in found:
        if any(sign in str(mount.path) for sign in ',:"\n'):
            raise SpecError(
                f"{str(mount.path)!r}: a container cannot show a path with a comma, colon, double "
                "quote or line break; use another folder (build_dir in local.toml, vivado=)"
            )
        if mount.path == Path("/"):
            raise SpecError("/: a container does not get the whole file system; check vivado=")
    return found


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve would follow links


def _mount(mount: Mount) -> str:
    end = "" if mount.writable else ",readonly"
    return f"type=bind,source={mount.path},target={mount.path}{end}"


def _bind(mount: Mount) -> str:
    return f"{mount.path}:{mount.path}:{'rw' if mount.writable else 'ro'}"
