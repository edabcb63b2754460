"""Starts this machine's processes of a training, and waits until they end."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import ROOT
from pipeline.errors import PipelineError, SpecError, ToolError
from pipeline.job import PROGRESS, Figure, Job, Metrics, progress
from pipeline.tools.process import run_tool
from specs.training import TrainingSpec

METRICS, ERROR, JOB = "metrics.json", "error.txt", "job.json"
"""Files in the scratch folder with which the stage and its processes pass on job and results."""


def launch(job: Job, training: TrainingSpec, module: str) -> Metrics:
    """Runs `worker` in each process, and returns the stage's result. Raises the workers' errors.

    module: its function `work` is what each process does.
    torchrun starts them, and ends all if one fails. No process outlives the stage (`run_tool`).
    """
    with job.scratch() as scratch:
        order = scratch / JOB
        order.write_text(json.dumps(_document(job)))
        if training.machines > 1:
            progress(f"meeting {training.machines - 1} other machines")
        try:
            run_tool(
                [
                    *(sys.executable, "-m", "torch.distributed.run"),
                    *meeting(training, job.settings),
                    f"--nproc-per-node={training.processes}",
                    *("-m", "pipeline.training.worker", module, order),
                ],
                log=job.folder / "logs" / "processes.log",
                cwd=ROOT,
                env={"OMP_NUM_THREADS": str(training.threads)},
                on_line=_pass_on,
                tool_errors=False,
            )
        except ToolError:
            if (told := scratch / ERROR).is_file():
                raise PipelineError(told.read_text()) from None
            raise
        figures = json.loads((scratch / METRICS).read_text())
    return {name: Figure(**figure) for name, figure in figures.items()}


def meeting(training: TrainingSpec, settings: Mapping[str, Any]) -> list[str]:
    """torchrun's arguments that say where the processes meet. SpecError if settings are missing."""
    if training.machines == 1:
        return ["--standalone", "--local-addr=127.0.0.1"]
    place, rank = settings.get("rendezvous"), settings.get("machine_rank", 0)
    if place is None or rank >= training.machines:
        raise SpecError(
            f"training.machines = {training.machines}: set rendezvous = "
            '"HOST:PORT" of the first machine, and machine_rank = 0 to '
            f"{training.machines - 1} (here {rank}), in local.toml of each machine or as "
            "PIPELINE_RENDEZVOUS and PIPELINE_MACHINE_RANK"
        )
    host, _, port = place.partition(":")
    return [
        f"--nnodes={training.machines}",
        f"--node-rank={rank}",
        f"--master-addr={host}",
        f"--master-port={port}",
    ]


def _document(job: Job) -> dict[str, Any]:
    document = dataclasses.asdict(job)
    del document["read"]
    document["inputs"] = {name: str(place) for name, place in job.inputs.items()}
    return {**document, "folder": str(job.folder)}


def read_job(path: Path) -> Job:
    """Reads the job that `launch` wrote."""
    document = json.loads(path.read_text())
    inputs = {name: Path(place) for name, place in document.pop("inputs").items()}
    return Job(inputs=inputs, folder=Path(document.pop("folder")), **document)


def _pass_on(line: str) -> None:
    if line.startswith(PROGRESS):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
