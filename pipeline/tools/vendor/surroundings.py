"""Looks at what plans run through: programs, launcher, container engine, image, mounts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import PipelineError, ToolError
from pipeline.tools.findings import Finding
from pipeline.tools.process import run_tool
from pipeline.tools.vendor.container import Container
from pipeline.tools.vendor.executor import Executor
from pipeline.tools.vendor.plan import Plan

_ENGINE_SECONDS = 1.5
_WAITS = {"sbatch": ("--wait", "-W"), "bsub": ("-I", "-K", "-Is", "-Ip"), "qsub": ("-sync",)}
"""Launchers that return at once unless one of these options is given."""
_OF_ONE_MACHINE = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108 - they are only compared
_BUILD_IMAGE = "{engine} build -t {image} docker/vendor  (docker/README.md)"
_ROOTLESS = "rootless"
_NO_IMAGE = ("no such image", "not known", "not found", "failed to find")


def look(container: Container | None, launcher: tuple[str, ...], build: Path) -> Iterator[Finding]:
    """What can be found without the vendor's tools. build: the build folder."""
    yield from _programs()
    if launcher:
        yield from _launcher(launcher, build)
    if container is not None and launcher:
        yield Finding(
            "note", "container", f"{container.engine} runs behind the launcher",
            "engine and image were not looked at: they are that machine's",
        )  # fmt: skip
    elif container is not None:
        yield from _engine(container, build)


def _programs() -> Iterator[Finding]:
    missing = [name for name in ("bash", "flock", "grep") if shutil.which(name) is None]
    if missing:
        yield Finding(
            "problem", "programs", f"missing: {', '.join(missing)}",
            "install bash, util-linux and grep with the system's package manager",
        )  # fmt: skip


def _launcher(words: tuple[str, ...], build: Path) -> Iterator[Finding]:
    program = Path(words[0]).name
    if shutil.which(words[0]) is None:
        yield Finding(
            "problem", "launcher", f"{words[0]}: no such program on this machine",
            "correct launcher=, or run the pipeline where the scheduler's commands are installed",
        )  # fmt: skip
        return
    options = _WAITS.get(program, ())
    if options and not any(word.split("=")[0] in options for word in words[1:]):
        yield Finding(
            "problem", "launcher", f"{program} returns before the run has ended",
            f'add {options[0]}: launcher="{program} {options[0]} …"',
        )  # fmt: skip
    else:
        yield Finding("ok", "launcher", " ".join(words))
    place = os.path.realpath(build)
    if any(place == each or place.startswith(f"{each}/") for each in _OF_ONE_MACHINE):
        yield Finding(
            "note", "launcher", f"the build folder {build} is usually of this machine alone",
            "build_dir in local.toml: a folder that the other machine has under the same path",
        )  # fmt: skip


def _engine(container: Container, build: Path) -> Iterator[Finding]:
    engine, image = container.engine, container.image
    if shutil.which(engine) is None:
        yield Finding(
            "problem", "container", f"{engine}: not installed here",
            f"install {engine}, or container=none to run the tools without one",
        )  # fmt: skip
        return
    if engine == "apptainer":
        there = "://" in image or Path(image).expanduser().exists()
        yield Finding(
            "ok" if there else "problem", "image", image if there else f"{image}: no such file",
            "" if there else "docker/README.md says how to make one for apptainer",
        )  # fmt: skip
        return
    if engine == "docker":
        said, failed = _ask(build, "docker", "info", "--format", "{{.SecurityOptions}}")
        if failed:
            yield Finding(
                "problem", "container", _short(said, "docker does not answer"),
                "start it (sudo systemctl start docker), and let your user use it "
                "(sudo usermod -aG docker $USER, then log in again); or container=podman",
            )  # fmt: skip
            return
        if _ROOTLESS in said:
            yield Finding(
                "problem", "container", "docker runs rootless: it would write as another user",
                "container=podman, which maps your user to itself",
            )  # fmt: skip
    words = ("image", "inspect", "--format", "{{.Id}}", image)
    said, failed = _ask(build, engine, *words)
    if not failed:
        yield Finding("ok", "container", f"{engine}, image {image}")
    elif any(words in said.lower() for words in _NO_IMAGE):
        yield Finding(
            "problem", "image", f"{engine} has no image {image}",
            _BUILD_IMAGE.format(engine=engine, image=image),
        )  # fmt: skip
    else:
        yield Finding(
            "problem", "container", _short(said, f"{engine} does not answer"),
            f"{engine} info  tells more; container=none runs the tools without it",
        )  # fmt: skip


def look_at_mounts(chosen: Executor, build: Path) -> Iterator[Finding]:
    """Whether a container can show what the tool needs, and the tool is in what it shows."""
    asked = Plan("preflight", {}, ("vivado",))
    try:
        shown = chosen.mounts(asked, build / ".cache" / "vivado" / "preflight")
    except PipelineError as error:
        yield Finding("problem", "mounts", str(error))
        return
    if chosen.launcher:
        return
    unreadable = [
        str(mount.path)
        for mount in shown
        if not mount.writable and not os.access(mount.path, os.R_OK)
    ]
    if unreadable:
        yield Finding(
            "problem", "mounts", f"not readable: {', '.join(unreadable)}",
            "give your user the right to read it (chmod -R a+rX), or correct the setting",
        )  # fmt: skip
    program = chosen.installation.tools["vivado"]
    real = program.resolve()
    if not any(real.is_relative_to(mount.path) for mount in shown):
        yield Finding(
            "problem", "mounts", f"{program} is a link to {real}, which the container does not see",
            f"vivado={real.parent.parent}",
        )  # fmt: skip


def _ask(build: Path, *words: str) -> tuple[str, bool]:
    """What an engine's command says, and whether it failed or did not answer in time."""
    lines: list[str] = []
    # by engine: two builds may ask at once, and neither needs the other's log
    log = build / ".cache" / "vivado" / ".preflight" / f"{os.getpid()}-{words[1]}.log"
    try:
        run_tool(words, log=log, timeout=_ENGINE_SECONDS, on_line=lines.append, tool_errors=False)
    except ToolError as error:
        return "\n".join(lines) or str(error).splitlines()[0], True
    finally:
        for name in (log, log.with_name(log.name + ".sh")):
            name.unlink(missing_ok=True)
    return "\n".join(lines), False


def _short(said: str, otherwise: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else otherwise
