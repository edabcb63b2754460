"""However a build ends, nothing of its run is left: real processes, real SIGKILL."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipeline import ROOT
from pipeline.errors import ToolError
from pipeline.tools.vendor.executor import executor
from tests.tools.vendor.installed import LINGERS, install, of_run, plan

BUILD = """
import sys
from pathlib import Path
from pipeline.tools.vendor import life, script
from pipeline.tools.vendor.executor import executor
from tests.tools.vendor.installed import plan
root, settings = Path(sys.argv[1]), eval(sys.argv[2])
{more}
executor(settings).run(plan(), root / plan().digest(), root / "synth.log", print)
"""
ELSEWHERE = """
import psutil
life.kernel, script.PATIENCE = lambda: 'of another machine', 3
psutil.process_iter = lambda: iter([])
"""
"""As if the run were on another machine: it cannot see the build's lock, nor the build its
processes."""
FAR = f"""#!{sys.executable}
# Like ssh, srun and bsub: what runs is no child of this program, and does not end with it.
import os, subprocess, sys
end, start = os.pipe()
code, told = os.pipe()
if os.fork() == 0:
    os.setsid()
    clean = {{name: os.environ[name] for name in os.environ if not name.startswith("PIPELINE_")}}
    pipes = {{"stdin": subprocess.DEVNULL, "stdout": start, "stderr": start}}
    started = subprocess.Popen(sys.argv[2:], env=clean, **pipes)
    os.close(start), os.close(1), os.close(2)
    os.write(told, bytes([started.wait() % 256]))
    os._exit(0)
os.close(start), os.close(told)
while output := os.read(end, 4096):
    os.write(1, output)
sys.exit(os.read(code, 1)[0])
"""


@pytest.fixture
def far(tmp_path: Path) -> str:
    program = tmp_path / "far"
    program.write_text(FAR)
    program.chmod(0o755)
    return f"{program} host"


def until(condition: Callable[[], object], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def build(root: Path, more: str = "", **settings: object) -> Iterator[subprocess.Popen[str]]:
    """A build in a process of its own, whose tool has just started."""
    vivado = install(root, LINGERS)
    words = [sys.executable, "-c", BUILD.format(more=more), str(root)]
    process = subprocess.Popen(
        [*words, repr({"vivado": str(vivado), **settings})],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert next(line for line in lines if "WARNING" not in line) == "started\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for left in of_run(root / plan().digest()):
            with contextlib.suppress(psutil.Error):
                left.kill()


def nothing_left(root: Path) -> bool:
    return until(lambda: not of_run(root / plan().digest()))


def works(root: Path, **settings: object) -> bool:
    """Whether the next build runs at once, in the same folder."""
    install(root, "touch synth.dcp")
    start = time.monotonic()
    chosen = executor({"vivado": str(root / "Vivado" / "2024.2"), **settings})
    chosen.run(plan(), root / plan().digest(), root / "synth.log")
    return time.monotonic() - start < 10


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_here(tmp_path: Path, number: signal.Signals) -> None:
    with build(tmp_path) as process:
        assert len(of_run(tmp_path / plan().digest())) >= 5
        process.send_signal(number)
        assert nothing_left(tmp_path)
    assert works(tmp_path)


@pytest.mark.parametrize("more", ["", ELSEWHERE], ids=["same kernel", "other machine"])
def test_behind_a_launcher(tmp_path: Path, far: str, more: str) -> None:
    with build(tmp_path, more, launcher=far) as process:
        process.kill()
        process.wait()
        assert nothing_left(tmp_path)
    assert works(tmp_path, launcher=far)


def test_a_build_that_lives_is_never_taken_for_dead(tmp_path: Path, far: str) -> None:
    """For longer than the patience of a run on another machine."""
    with build(tmp_path, ELSEWHERE, launcher=far) as process:
        time.sleep(6)
        assert process.poll() is None
        assert len(of_run(tmp_path / plan().digest())) >= 5


@pytest.mark.parametrize("more", ["", ELSEWHERE], ids=["same kernel", "other machine"])
def test_a_lost_connection(tmp_path: Path, far: str, more: str) -> None:
    """Only the launcher ends: the build fails, and tells the run, wherever it is, to end, too."""
    with build(tmp_path, more.replace("3\n", "600\n"), launcher=far) as process:
        for child in psutil.Process(process.pid).children():
            child.kill()
        assert process.wait(20) == 1
        assert nothing_left(tmp_path)


@pytest.mark.parametrize("victim", ["run.sh", "watcher"])
def test_a_killed_script_or_watcher_ends_the_run(tmp_path: Path, far: str, victim: str) -> None:
    with build(tmp_path, launcher=far) as process:
        scripts = [
            each for each in of_run(tmp_path / plan().digest())
            if each.name() == "bash" and any("run.sh" in word for word in each.cmdline())
        ]  # fmt: skip
        scripts.sort(key=lambda each: each.pid)
        (scripts[0] if victim == "run.sh" else scripts[-1]).kill()
        assert process.wait(20) == 1
        assert nothing_left(tmp_path)


def test_a_run_that_another_still_disturbs_ends_it_first(tmp_path: Path) -> None:
    """Both the build and all that watches were killed; only a tool goes on."""
    with build(tmp_path) as process:
        folder = tmp_path / plan().digest()
        watching = [each for each in of_run(folder) if "run.sh" in " ".join(each.cmdline())]
        for each in [psutil.Process(process.pid), *watching]:
            each.suspend()
        for each in [psutil.Process(process.pid), *watching]:
            each.kill()
        process.wait()
        assert until(lambda: len(of_run(folder)) >= 3, 2)
        assert works(tmp_path)
        assert nothing_left(tmp_path)


def test_an_unfinished_run_starts_where_its_files_are(tmp_path: Path) -> None:
    """What the tool itself left in the work folder stays for its next run."""
    with build(tmp_path) as process:
        (tmp_path / plan().digest() / "checkpoint.dcp").write_text("kept")
        process.kill()
        process.wait()
        assert nothing_left(tmp_path)
    install(tmp_path, "cat checkpoint.dcp; touch synth.dcp")
    lines: list[str] = []
    chosen = executor({"vivado": str(tmp_path / "Vivado" / "2024.2")})
    chosen.run(plan(), tmp_path / plan().digest(), tmp_path / "log", lines.append)
    assert lines == ["kept"]


def test_a_run_never_starts_for_a_build_that_is_gone(tmp_path: Path) -> None:
    install(tmp_path, "echo it ran; touch synth.dcp")
    folder = tmp_path / plan().digest()
    chosen = executor({"vivado": str(tmp_path / "Vivado" / "2024.2")})
    chosen.run(plan(), folder, tmp_path / "log")
    (folder / "synth.dcp").unlink()
    install(tmp_path, LINGERS)
    late = subprocess.run([*chosen.command(plan(), folder), "word"], check=False, timeout=30)
    assert late.returncode != 0
    assert nothing_left(tmp_path)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some of clusters are: then only the number that stands still tells of the build's end."""
    program = tmp_path / "bin" / "flock"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 71\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    with build(tmp_path, "script.PATIENCE = 3") as process:
        time.sleep(5)
        assert process.poll() is None
        assert len(of_run(tmp_path / plan().digest())) >= 5
        process.kill()
        assert nothing_left(tmp_path)


def test_the_disk_may_be_full(tmp_path: Path) -> None:
    """A signal of life that cannot be written is no reason to end a run on this machine."""
    install(tmp_path, "rm -f .run/build; mkdir .run/build.new; sleep 3; touch synth.dcp")
    chosen = executor({"vivado": str(tmp_path / "Vivado" / "2024.2")})
    with contextlib.suppress(ToolError):
        chosen.run(plan(), tmp_path / plan().digest(), tmp_path / "log")
    assert (tmp_path / plan().digest() / "synth.dcp").is_file()
