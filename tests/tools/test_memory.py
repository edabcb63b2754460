"""The pool of memory: never exceeded, no deadlock, and free again however its holder ends."""

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import ROOT
from pipeline.tools import memory
from pipeline.tools.memory import pool_slots, reserved
from tests.flow.bench import Doit


class WaitedError(Exception):
    pass


def refuse(text: str) -> None:
    raise WaitedError(text)


def test_the_setting_or_most_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pool_slots(3) == 6
    assert pool_slots(0.1) == 1
    monkeypatch.setattr(memory, "machine_bytes", lambda: 10 * 2**30)
    assert pool_slots(None) == 16


def test_what_fits_runs_together_and_what_does_not_waits(tmp_path: Path) -> None:
    with reserved(tmp_path, 2048, 3, refuse):
        with reserved(tmp_path, 1000, 3, refuse):
            pass
        with (
            pytest.raises(WaitedError, match=r"waiting for 1\.5 GiB"),
            reserved(tmp_path, 1536, 3, refuse),
        ):
            pass
        with reserved(tmp_path, 1024, 3, refuse):
            pass
    with reserved(tmp_path, 3072, 3, refuse):
        pass


def test_what_is_larger_than_the_pool_runs_alone(tmp_path: Path) -> None:
    with (
        reserved(tmp_path, 99_999, 1, refuse),
        pytest.raises(WaitedError),
        reserved(tmp_path, 1, 1, refuse),
    ):
        pass


def test_a_large_one_is_not_overtaken_for_ever(tmp_path: Path) -> None:
    waiting, done = threading.Event(), threading.Event()

    def large() -> None:
        with reserved(tmp_path, 1024, 1, lambda text: waiting.set()):
            done.set()

    with reserved(tmp_path, 512, 1, refuse):
        thread = threading.Thread(target=large)
        thread.start()
        assert waiting.wait(30)
        with pytest.raises(WaitedError), reserved(tmp_path, 512, 1, refuse):
            pass
        assert not done.is_set()
    thread.join(30)
    assert done.is_set()


def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("never")


def test_a_killed_holder_frees_its_slots(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; import time; from pipeline.tools.memory import reserved\n"
        f"with reserved(Path({str(tmp_path)!r}), 1024, 1, print):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(WaitedError), reserved(tmp_path, 512, 1, refuse):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with reserved(tmp_path, 1024, 1, refuse):
        pass


def test_four_processes_over_units_stay_in_the_pool(tmp_path: Path) -> None:
    """`doit -n 4`: never above the pool, all done, nothing twice, whole lines."""
    doit = Doit(tmp_path, PIPELINE_MEMORY_GIB="3", FAKE_HELD=str(tmp_path / "held"))
    lines = doit("run", "-n", "4", "synth", "network=tfc_1w1a,tfc_1w2a", "dataset=digits")
    names = ["train", "export", "streamline", "fold", "fifos", "rtl", "synth"]
    stages = ["data", *2 * ["outline", "fits", *names]]
    assert sorted(doit.counter.read_text().split()) == sorted(stages)
    assert sorted(line.split()[1] for line in lines if line.startswith("ran ")) == sorted(stages)
    assert all(line.startswith(("ran  ", "     ")) for line in lines), "lines are not mixed"
    held = list(itertools.accumulate(map(int, doit.held.read_text().split())))
    assert 0 < max(held) <= pool_slots(3)
    assert held[-1] == 0
    again = doit("run", "-n", "4", "synth", "network=tfc_1w1a,tfc_1w2a", "dataset=digits")
    kept = [line.split()[1] for line in again if line.startswith("kept")]
    assert sorted(kept) == sorted(["data", *2 * names]), "what comes before training has no use"
