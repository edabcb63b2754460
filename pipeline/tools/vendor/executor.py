"""Runs plans: here, in a container, or behind a launcher such as srun, bsub or ssh."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pipeline.errors import MissingTool, PipelineError, SpecError, ToolError
from pipeline.tools import memory
from pipeline.tools.process import run_tool
from pipeline.tools.slots import held
from pipeline.tools.vendor import finished
from pipeline.tools.vendor.container import IMAGE, OWN_CODES, Container, Mount, mounts
from pipeline.tools.vendor.installation import Installation, planned_with
from pipeline.tools.vendor.licence import (
    VARIABLE,
    files_of,
    found_by_itself,
    licence_of,
    needs_network,
)
from pipeline.tools.vendor.life import heartbeat, occupied
from pipeline.tools.vendor.plan import RUN, Plan
from pipeline.tools.vendor.script import run_script

MOST_JOBS = 8
"""More threads than this Vivado does not use in synthesis, placement and routing."""
MARK = "PIPELINE_RUN_IN"
"""The environment variable that marks a tool, and all it starts, with its work folder."""
_SHELLS = ("ssh", "rsh", "bsub")
"""Launchers that join their arguments to a line for a shell, so that each must be quoted."""

Tell = Callable[[str], None]


def _silent(text: str) -> None:
    pass


@dataclass(frozen=True)
class Executor:
    """How this machine's settings run a plan.

    launcher: words that come first ("srun", "-c", "8"). jobs: how many threads the tool may use;
    scripts read it as PIPELINE_JOBS from the environment, so that it is not part of a digest.
    licence: the value of XILINXD_LICENSE_FILE. licences: how many runs there may be at a time.
    memory_gib: the memory that all runs on this machine may take together; None: most of it. slots:
    the folder that runs share to count one another; None: beside their work folders. pool: the name
    of what they count there.
    """

    installation: Installation
    container: Container | None = None
    launcher: tuple[str, ...] = ()
    jobs: int = MOST_JOBS
    licence: str | None = None
    licences: int = 1
    memory_gib: float | None = None
    slots: Path | None = None
    pool: str = "licences"

    def run(
        self,
        plan: Plan,
        folder: Path,
        log: Path,
        on_line: Callable[[str], None] | None = None,
        tell: Tell = _silent,
        timeout: float | None = None,
    ) -> bool:
        """Runs the plan in `folder`, unless the folder already has its intact products.

        Then it gives the log of that earlier run, and returns False. `tell` gets the reason
        whenever it waits. timeout: in seconds, from the start of the tool. Raises ToolError as
        run_tool does, also if a product is missing after exit code 0. However this ends, no
        container and no process of the tool is left.
        """
        folder = _absolute(folder)
        folder.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        with occupied(folder, tell):
            if finished.again(plan, folder, log, on_line):
                return False
            self._write(plan, folder)
            self._end_leftovers(folder)
            with self._slots(plan, folder, tell), heartbeat(folder) as word:
                self._start(folder, log, word, self.command(plan, folder), on_line, timeout)
            finished.seal(plan, folder, log)
        return True

    def command(self, plan: Plan, folder: Path) -> list[str]:
        """The whole argv: launcher, container engine with its mounts, run.sh.

        As it stands a user can run it by hand. The pipeline adds one word, by which the run knows
        whether the build lives.
        """
        folder = _absolute(folder)
        words = ["bash", str(folder / RUN / "run.sh")]
        if self.container is not None:
            words = self.container.argv(folder, self.mounts(plan, folder), words)
        if self.launcher and Path(self.launcher[0]).name in _SHELLS:
            words = [shlex.quote(word) for word in words]
        return [*self.launcher, *words]

    def mounts(self, plan: Plan, folder: Path) -> list[Mount]:
        """What a container sees of this machine, under the same paths."""
        tool = self._tool(plan).parent.parent
        read = [*self.installation.folders, tool, *plan.reads, *files_of(self.licence)]
        return mounts(_absolute(folder), read)

    def environment(self, plan: Plan) -> dict[str, str]:
        """What the run has in its environment, in addition to what the vendor's scripts set."""
        given = {"PIPELINE_JOBS": str(self.jobs), **plan.environment}
        if self.licence:
            given[VARIABLE] = self.licence
        return given

    def script(self, plan: Plan, folder: Path) -> str:
        """The text of run.sh. Raises MissingTool if the installation lacks the plan's tool."""
        tool = self._tool(plan)
        # the tool's own settings come last, so that its folder is the first on PATH
        places = sorted(self.installation.folders, key=tool.is_relative_to)
        return run_script(
            _absolute(folder),
            [str(tool), *plan.argv[1:]],
            settings=[place / "settings64.sh" for place in places],
            environment=self.environment(plan),
            contained=self.container is not None,
        )

    def _tool(self, plan: Plan) -> Path:
        found = self.installation.tools.get(plan.argv[0])
        if found is None:
            raise MissingTool(
                f"{plan.argv[0]}: not beside {self.installation.vivado}, and {plan.name} needs it. "
                "Give the folder of Vitis as vitis=, or add Vitis to the installation"
            )
        return found

    def describe(self, plan: Plan, folder: Path) -> str:
        """What dry_run=yes prints: files, argv, mounts, environment, digest."""
        environment = self.environment(plan)
        if self.licence:
            environment[VARIABLE] = "(the setting licence)"
        sections = {
            "in": [str(_absolute(folder))],
            "tool": [f"{shlex.join(plan.argv)}  ({self.installation.told})"],
            "command": [shlex.join(self.command(plan, folder))],
            "mounts": []
            if self.container is None
            else [
                f"{mount.path}  {'read and write' if mount.writable else 'read only'}"
                for mount in self.mounts(plan, folder)
            ],
            "environment": [f"{name}={value}" for name, value in environment.items()],
            "files": [f"{name}  ({text.count(chr(10))} lines)" for name, text in _sorted(plan)],
            "reads": [f"{name}  sha256 {digest}" for name, digest in plan.inputs.items()],
            "products": list(plan.products),
            "memory": [f"{plan.memory_mib / 1024:g} GiB"],
        }
        lines = [f"plan {plan.name}  digest {plan.digest()}"]
        for title, entries in sections.items():
            lines += [f"  {title}: {entries[0]}"] if len(entries) == 1 else []
            lines += [f"  {title}:", *(f"    {line}" for line in entries)] if entries[1:] else []
        for name, text in _sorted(plan):
            lines += [f"  --- {name}", *(f"  | {line}" for line in text.splitlines())]
        return "\n".join(lines)

    def _write(self, plan: Plan, folder: Path) -> None:
        for name, text in plan.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        script = folder / RUN / "run.sh"
        script.touch(mode=0o700)  # it may name a licence server
        script.write_text(self.script(plan, folder))

    @contextmanager
    def _slots(self, plan: Plan, folder: Path, tell: Tell) -> Iterator[None]:
        """Waits for a licence, then for memory: always in this order, so that none wait in a ring.

        Behind a launcher the memory is another machine's, and its scheduler's business.
        """
        pool = self.slots or folder.parent / ".slots"
        with (
            held(pool / self.pool, 1, self.licences, "waiting for a licence", tell),
            contextlib.nullcontext()
            if self.launcher
            else memory.reserved(pool / "memory", plan.memory_mib, self.memory_gib, tell),
        ):
            yield

    def _start(
        self,
        folder: Path,
        log: Path,
        word: str,
        command: list[str],
        on_line: Callable[[str], None] | None,
        timeout: float | None,
    ) -> None:
        if shutil.which(command[0]) is None:
            raise MissingTool(
                f"{command[0]}: no such program on this machine, though the setting "
                f"{'launcher' if self.launcher else 'container'} wants it; install or change it"
            )
        ended = False
        try:
            run_tool([*command, word], log=log, cwd=folder, on_line=on_line, timeout=timeout)
            ended = True
        except ToolError as error:
            raise ToolError(f"{error}{self._whose(error.code)}", error.code) from None
        finally:
            # the word would end a run by hand at once: its build is over
            with contextlib.suppress(OSError):
                log.with_name(log.name + ".sh").write_text(f"#!/bin/sh\n{shlex.join(command)}\n")
            if not ended:
                self._end_leftovers(folder)

    def _whose(self, code: int | None) -> str:
        """A line that says so if an exit code is not the tool's own."""
        first = Path(self.launcher[0]).name if self.launcher else ""
        if first == "ssh" and code == 255:
            return "\n  255 is ssh's own: the machine was not reached, or the connection was lost"
        if self.container is not None and code in OWN_CODES:
            return f"\n  {code} is {self.container.engine}'s own: {OWN_CODES[code]}"
        if first and code == 127:
            return (
                f"\n  127 behind {first}: the build folder, or a program, is not there under the "
                "same path on the machine where it ran"
            )
        return ""

    def _end_leftovers(self, folder: Path) -> None:
        """Ends what an earlier run in the folder left: its container, its processes."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == str(folder):
                    process.kill()
        if self.container is None or self.launcher:
            return  # behind a launcher it may be on any machine, and ends itself
        command = self.container.removal(folder)
        if command is not None and shutil.which(command[0]) is not None:
            # there is none, or the engine fails: then the run itself will say so
            with contextlib.suppress(PipelineError, OSError):
                log = folder / RUN / "removal.log"
                run_tool(command, log=log, timeout=30, tool_errors=False)


def executor(settings: Mapping[str, Any]) -> Executor:
    """The executor that the settings ask for. Raises MissingTool, or SpecError for a setting."""
    return Executor(
        installation=planned_with(settings),
        container=container_of(settings),
        launcher=launcher_of(settings),
        jobs=settings.get("jobs") or min(MOST_JOBS, os.cpu_count() or 1),
        licence=licence_for(settings),
        licences=settings.get("licences") or 1,
        memory_gib=settings.get("memory_gib"),
    )


def container_of(settings: Mapping[str, Any]) -> Container | None:
    """The container engine and image of the settings; None: no container. Raises SpecError."""
    engine = settings.get("container") or "none"
    if engine == "none":
        return None
    image = settings.get("container_image") or IMAGE
    if image.startswith("-"):
        raise SpecError(f"container_image = {image!r}: not the name of an image")
    return Container(engine, image, networked=needs_network(licence_for(settings)))


def launcher_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of the launcher; none: no launcher. Raises SpecError."""
    try:
        return tuple(shlex.split(settings.get("launcher") or ""))
    except ValueError as error:
        raise SpecError(f"launcher = {settings['launcher']!r}: {error}") from None


def licence_for(settings: Mapping[str, Any]) -> str | None:
    """The licence of a run. In a container the tools do not find what they find by themselves."""
    licence = licence_of(settings)
    if licence is None and (settings.get("container") or "none") != "none":
        licence = ":".join(map(str, found_by_itself()))
    return licence or None


def _sorted(plan: Plan) -> list[tuple[str, str]]:
    return sorted(plan.files.items())


def _absolute(folder: Path) -> Path:
    return Path(os.path.abspath(folder))  # noqa: PTH100 - resolve would follow the user's links
