"""A real doit over fake stages, cut, doubled and hindered in the ways a machine can think of."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipeline.tools.process import MARK
from tests.flow.bench import Doit

UNIT = "tfc_1w1a.dataset-digits"


def started_below(build: Path) -> list[tuple[psutil.Process, str]]:
    """Living processes that a doit of this build folder started, with their names and words.

    All read at once: a process may be gone a moment later.
    """
    found = []
    for process in psutil.process_iter():
        try:
            env = process.environ()
            ours = env.get("PIPELINE_BUILD_DIR") == str(build) and MARK in env
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append((process, " ".join([process.name(), *process.cmdline()])))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def soon(condition: Callable[[], bool]) -> bool:
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.05)
    return False


def orphans_tool_runs(doit: Doit) -> bool:
    """The stage's tool has started its own child in a group of its own."""
    return any("sleep" in words.split()[0] for _, words in started_below(doit.build))


@pytest.mark.parametrize("processes", [(), ("-n", "2")])
@pytest.mark.parametrize(
    "fault", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL of doit", "SIGKILL of the stage"]
)
def test_however_it_is_cut_nothing_stays_and_nothing_is_repeated(
    tmp_path: Path, fault: str, processes: tuple[str, ...]
) -> None:
    cut = Doit(tmp_path, FAKE_TRAIN="orphan")
    process = cut.start("run", *processes, "train")
    assert soon(lambda: orphans_tool_runs(cut)), process.communicate()
    if fault == "SIGKILL of the stage":
        (stage,) = (x for x, words in started_below(cut.build) if "pipeline.flow.run" in words)
        stage.kill()
    elif fault == "SIGKILL of doit":
        process.kill()
    else:
        os.killpg(process.pid, getattr(signal, fault))
    text, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert soon(lambda: not started_below(cut.build)), started_below(cut.build)
    assert "Traceback" not in text, text
    lines = Doit(tmp_path)("run", "train")
    assert [line.split()[:2] for line in lines if line.startswith(("ran", "kept"))] == [
        ["kept", "outline"],
        ["kept", "data"],
        ["ran", "train"],
    ]


def test_two_doits_at_once_do_the_work_once_and_say_so(tmp_path: Path) -> None:
    doit = Doit(tmp_path, FAKE_HELD=str(tmp_path / "held"))
    both = [doit.start("run", "fold") for _ in range(2)]
    texts = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    stages = ["data", "outline", "fits", "train", "export", "streamline", "fold"]
    assert sorted(doit.counter.read_text().split()) == sorted(stages)
    assert sum(text.count("ran  ") for text in texts) == len(stages), texts
    assert sum(text.count("kept ") for text in texts) == len(stages), texts


def test_a_clock_that_goes_backwards_rebuilds_nothing(tmp_path: Path) -> None:
    doit = Doit(tmp_path)
    doit("run", "train")
    for path in tmp_path.rglob("*.json"):
        os.utime(path, (1, 1))
    assert all(line.startswith("kept") for line in doit("run", "train"))


def test_a_cut_job_file_is_written_anew(tmp_path: Path) -> None:
    doit = Doit(tmp_path)
    doit("run", "train")
    job = doit.build / UNIT / "train.job.json"
    job.write_text(job.read_text()[:40])
    shutil.rmtree(job.with_name("train"))
    assert doit("run", "train")[-1].startswith("ran  train")


def in_namespace(script: str) -> subprocess.CompletedProcess[str]:
    """A shell that may mount; skips where that is not allowed."""
    try:
        allowed = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    except FileNotFoundError:
        allowed = None
    if allowed is None or allowed.returncode != 0:
        pytest.skip("a file system cannot be mounted in a namespace of its own here")
    command = ["unshare", "-rm", "sh", "-ec", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("built", [True, False])
def test_a_read_only_build_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: bool
) -> None:
    """What is up to date is kept; anything else is refused in one line."""
    doit = Doit(tmp_path)
    doit("run", "train" if built else "data")
    for name, value in doit.env.items():
        monkeypatch.setenv(name, value)
    words = " ".join(map(str, doit.command("run", "train")))
    done = in_namespace(
        f"mount --bind {doit.build} {doit.build}; mount -o remount,ro,bind {doit.build}; {words}"
    )
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    if built:
        assert done.returncode == 0, text
        assert text.count("kept ") == 2
    else:
        assert done.returncode == 1, text
        assert "cannot be written (Read-only file system)" in text
