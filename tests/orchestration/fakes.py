"""Stages with hardly any work, run in real processes by the orchestration's tests."""

import os
import time
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.job import Figure, Job, Metrics, progress


def run(job: Job) -> Metrics:
    """Acts as the variable FAKE_<STAGE> says; counts its runs in the file FAKE_COUNTER."""
    counter = Path(os.environ["FAKE_COUNTER"])
    with counter.open("a") as file:
        file.write(f"{job.stage}\n")
    behaviour = os.environ.get(f"FAKE_{job.stage.upper()}", "")
    if behaviour == "refuse":
        raise PipelineError("the user's mistake: field x")
    if behaviour == "bug":
        raise ZeroDivisionError("a bug")
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
    epochs = job.specs["network.training"]["epochs"] if job.stage == "train" else 0
    parity = "constant" if behaviour == "same" else f"epochs {epochs}"
    (job.folder / "out.txt").write_text(
        parity + "".join((folder / "out.txt").read_text() for folder in job.inputs.values())
    )
    kept.unlink(missing_ok=True)
    return {"epochs": Figure(epochs, "", "measured")}
