"""Stages with hardly any work, run in real processes by the orchestration's tests."""

import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from pipeline.chain import BY_NAME
from pipeline.errors import PipelineError, Planned
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.tools import memory
from pipeline.tools.process import run_tool


def hold(job: Job, record: Path) -> None:
    """Writes when this stage begins and ends to hold its memory."""
    wanted = math.ceil(BY_NAME[job.stage].memory_mib / memory.SLOT_MIB)
    slots = min(wanted, memory.pool_slots(job.settings["memory_gib"]))
    for sign in ("+", "-"):
        with record.open("a") as file:
            file.write(f"{sign}{slots}\n")
        time.sleep(0.5 if sign == "+" else 0)


def run(job: Job) -> Metrics:
    """Acts as the variable FAKE_<STAGE> says; counts its runs in the file FAKE_COUNTER.

    `refuse Ultra96` refuses only units whose names have that word.
    """
    counter = Path(os.environ["FAKE_COUNTER"])
    with counter.open("a") as file:
        file.write(f"{job.stage}\n")
    if "FAKE_HELD" in os.environ:
        hold(job, Path(os.environ["FAKE_HELD"]))
    behaviour = os.environ.get(f"FAKE_{job.stage.upper()}", "")
    if behaviour.startswith("refuse") and behaviour.removeprefix("refuse").strip() in job.unit:
        raise PipelineError("the user's mistake: field x")
    if behaviour == "plan" and job.settings["dry_run"] == "yes":
        raise Planned("the plan of it")
    if behaviour == "bug":
        raise ZeroDivisionError("a bug")
    if behaviour == "allocate":
        # in a program of its own, as compilers do; all of it touched
        code = "x = bytearray(b'1') * (500 << 20); import time; time.sleep(60)"
        run_tool([sys.executable, "-c", code], log=job.folder / "logs" / "tool.log")
    if behaviour == "no end":
        run_tool(["sleep", "61"], log=job.folder / "logs" / "tool.log")
    if behaviour == "large":
        (job.folder / "large").write_bytes(bytes(2 << 20))
    if behaviour == "large tool":
        code = "open('large', 'wb').write(bytes(2 << 20))"
        words = [sys.executable, "-c", f"import signal; signal.signal(25, signal.SIG_DFL); {code}"]
        run_tool(words, log=job.folder / "logs" / "tool.log", cwd=job.folder)
    if behaviour == "umlaut":
        print("·, a byte that is no UTF-8: \udcff, ü")
    kept = job.folder / "half.txt"
    if behaviour == "hang" and not kept.exists():
        kept.write_text("half of the work")
        progress("half way", 0.5)
        time.sleep(60)
    (job.folder / "logs").mkdir(exist_ok=True)
    (job.folder / "logs" / "tool.log").write_text(str(time.time()))
    for path in job.specs:
        if behaviour != "unread":
            job.spec(path, Any)
    if behaviour == "orphan":
        # a tool whose own child has a group of its own, and outlives it unless ended
        code = "import subprocess, time; subprocess.Popen(['sleep', '61'], start_new_session=True)"
        words = [sys.executable, "-c", f"{code}; print('started', flush=True); time.sleep(60)"]
        run_tool(words, log=job.folder / "logs" / "tool.log", on_line=progress)
    epochs = job.specs["network.training"]["epochs"] if job.stage == "train" else 0
    parity = "constant" if behaviour == "same" else f"epochs {epochs}"
    (job.folder / "out.txt").write_text(
        parity + "".join((folder / "out.txt").read_text() for folder in job.inputs.values())
    )
    kept.unlink(missing_ok=True)
    return {"epochs": Figure(epochs, "", "measured")}
