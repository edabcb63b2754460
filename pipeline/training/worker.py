"""`python -m pipeline.training.worker <module> <job file>`: one process of a team; see `launch`."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.tools.process import die_with_parent
from pipeline.training.launch import ERROR, METRICS, read_job
from pipeline.training.team import join, leave
from specs.training import TrainingSpec


def main(module: str, path: Path) -> int:
    """Runs one worker. Exit code: 0 for success, 3 for a PipelineError, which is left in a file."""
    die_with_parent()
    job = read_job(path)
    team = join(job.spec("network.training", TrainingSpec))
    with contextlib.ExitStack() as quiet:
        if not team.leads:
            # the same lines and curves as the leader's, for nobody
            folder = path.parent / f"process-{team.rank}"
            folder.mkdir(exist_ok=True)
            job = replace(job, folder=folder)
            quiet.enter_context(contextlib.redirect_stdout((folder / "log").open("w")))
        try:
            metrics = importlib.import_module(module).work(job, team)
        except PipelineError as error:
            (path.parent / ERROR).write_text(str(error))
            return 3
    if team.leads:
        figures = {name: asdict(figure) for name, figure in metrics.items()}
        (path.parent / METRICS).write_text(json.dumps(figures))
    leave()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
