"""Starts external programs. All are started here."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path

import psutil

from pipeline.errors import MissingTool, ToolError
from pipeline.tools import disk
from pipeline.tools.watch import Watch

ERROR_LINE = re.compile(r"^\s*(%?\s*error|fatal)\b[^a-z]", re.IGNORECASE)
"""Lines that mean failure even if the exit code is 0 (Verilator, Yosys, Vivado, compilers)."""

MARK = "PIPELINE_STARTED_BY"
"""The environment variable that marks a program and all that it starts with the calls of `run_tool`
that led to it."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# Loaded here, since a process with threads may load nothing between fork and exec.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Asks the kernel to send this process a signal when its parent ends, in any way (Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Makes this process the parent of processes whose parents, its descendants, end (Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def new_mark() -> str:
    """A value of `MARK` for a new program: the mark of this process, with a new part added."""
    return f"{os.environ.get(MARK, '')}/{secrets.token_hex(8)}"


def run_tool(
    argv: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    watch: Watch | None = None,
    on_line: Callable[[str], None] | None = None,
    tool_errors: bool = True,
    feed: Iterable[bytes] | None = None,
) -> None:
    """Runs one program to its end. Its output goes to `log`, and line by line to `on_line`.

    env adds to the environment. timeout is in seconds; `watch` may set other limits. The command is
    kept as `<log>.sh`, which can be run again in a shell. The program gets its own process group,
    and `feed` as its input: by default none. However this call ends, all that the program started
    has ended, too. tool_errors False: only the exit code decides whether the program failed.

    Raises MissingTool if there is no such program. Raises ToolError if it fails, prints an error
    line (`ERROR_LINE`), exceeds a limit, or leaves a full disk, since its files may be truncated.
    """
    words = [str(word) for word in argv]
    if shutil.which(words[0]) is None:
        raise MissingTool(f"{words[0]}: no such program on this machine (wanted by {log.stem})")
    directory = Path(cwd or ".").resolve()
    log.parent.mkdir(parents=True, exist_ok=True)
    _keep_command(log, words, directory, env or {})
    tail: deque[str] = deque(maxlen=12)
    errors: list[str] = []
    adopt_orphans()
    mark = new_mark()
    caller = os.getpid()

    def end_with_caller() -> None:
        die_with_parent()
        if os.getppid() != caller:  # the caller has just ended
            os._exit(128 + signal.SIGKILL)

    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={**os.environ, **(env or {}), MARK: mark},
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            preexec_fn=end_with_caller,  # noqa: PLW1509 - two system calls, nothing is loaded
        )
        watch = watch or Watch()
        if timeout is not None:
            watch.begin(timeout)
        try:
            assert process.stdout is not None
            with _fed(process, feed), watch.over(process.pid, lambda: _kill(process.pid)):
                for line in process.stdout:
                    out.write(line)
                    out.flush()
                    text = line.rstrip("\n")
                    if on_line is not None:
                        on_line(text)
                    if text.strip():
                        tail.append(text)
                    if tool_errors and len(errors) < 5 and ERROR_LINE.match(text):
                        errors.append(text)
                code = process.wait()
        finally:
            _kill(process.pid)
            process.wait()
            end_marked(mark)
    if watch.struck is not None:
        raise ToolError(_failure(words, watch.struck, list(tail), log))
    if code != 0 or errors:
        how = f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
        raise ToolError(
            _failure(words, how, errors or list(tail), log), code if code >= 0 else None
        )
    if tool_errors and disk.full(log.parent):
        raise ToolError(_failure(words, "the disk is full", list(tail), log))


@contextlib.contextmanager
def _fed(process: subprocess.Popen[str], feed: Iterable[bytes] | None) -> Iterator[None]:
    """Writes `feed` to the process while its output is read; an error of `feed` is raised."""
    if feed is None:
        yield
        return
    broken: list[Exception] = []
    assert isinstance(process.stdin, TextIOWrapper)
    into = process.stdin.buffer

    def write() -> None:
        try:
            with into:
                for chunk in feed:
                    into.write(chunk)
                    into.flush()
        except BrokenPipeError:
            pass  # it ended, or wants no more
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised in the caller
            broken.append(error)
            _kill(process.pid)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        _kill(process.pid)  # a program that reads nothing would block the writer
        writer.join()
    if broken:
        raise broken[0]


def _kill(pid: int) -> None:
    """Kills a process, its group, and all that it started in other groups.

    The same is spared as by `end_descendants`.
    """
    below: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        below = [child for child in top.children(recursive=True) if not _removes(child, top)]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for process in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def end_marked(mark: str) -> None:
    """Kills every process whose mark is `mark` or begins with it, whoever its parent is.

    These are, for example, a compiler's own processes after the stage that ran the compiler was
    killed. All processes are searched, not only descendants of this one: a parent that is just
    ending no longer shows its mark, but still has its children.
    """
    while left := [process for process in psutil.process_iter() if _below(process, mark)]:
        for process in left:
            end_descendants(process)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)


def end_descendants(process: psutil.Process) -> None:
    """Kills all descendants of `process`, in rounds, since one may start another meanwhile.

    What removes a container of podman once that has ended is spared, with all below it, so that no
    container is left. Its container ends by itself: see vendor/run_body.sh.
    """
    for _ in range(20):
        with contextlib.suppress(psutil.NoSuchProcess):
            below = [
                child
                for child in process.children(recursive=True)
                if child.status() != psutil.STATUS_ZOMBIE and not _removes(child, process)
            ]
            for child in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            if below:
                continue
        return


def _removes(child: psutil.Process, top: psutil.Process) -> bool:
    """Whether this is podman's conmon, which watches a container, its cleanup, or below them."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in (child, *child.parents()):
            if each == top:
                return False
            if each.name() == "conmon" or (each.name() == "podman" and "cleanup" in each.cmdline()):
                return True
    return False


def _below(process: psutil.Process, mark: str) -> bool:
    try:
        return f"{process.environ().get(MARK, '')}/".startswith(f"{mark}/")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False  # it has just ended


def _keep_command(log: Path, words: list[str], cwd: Path, env: Mapping[str, str]) -> None:
    settings = "".join(f"{key}={shlex.quote(value)} " for key, value in env.items())
    script = f"cd {shlex.quote(str(cwd))} && {settings}{shlex.join(words)}\n"
    log.with_name(log.name + ".sh").write_text("#!/bin/sh\n" + script)


def inside_quotes(path: Path) -> str:
    """`path` as it is written in a kept command, by itself or within a longer word."""
    return str(path).replace("'", "'\"'\"'")  # as shlex does within its quotes


def _failure(words: list[str], how: str, lines: list[str], log: Path) -> str:
    shown = "".join(f"\n  | {line}" for line in lines)
    return (
        f"{Path(words[0]).name} failed ({how}):{shown}\n"
        f"  whole log: {log}\n  run it again by hand: sh {shlex.quote(f'{log}.sh')}"
    )
