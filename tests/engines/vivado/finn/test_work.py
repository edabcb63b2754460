"""The work folder of FINN's flow: the same for equal builds, and never two builds' at once."""

from __future__ import annotations

import threading
from pathlib import Path

from pipeline.engines.vivado.finn.work import INPUTS, prepared
from pipeline.job import Job
from tests.engines.vivado.finn.flow_jobs import job, tools


def jobs(folder: Path) -> tuple[Job, Job]:
    """Two jobs, of two stages, on the same files."""
    folders = {name: folder / name for name in INPUTS}
    for name, files in INPUTS.items():
        folders[name].mkdir()
        for file in files:
            (folders[name] / file).write_text(file)
    settings = tools(folder)
    return job("synth", folder, folders, settings), job("implement", folder, folders, settings)


def test_another_build_of_the_same_waits_and_only_then_asks_for_its_step(tmp_path: Path) -> None:
    first, second = jobs(tmp_path)
    inside, seen = threading.Event(), list[str]()

    def other() -> None:
        with prepared(second, "bitfile") as work:
            seen.append((work / "request.json").read_text())
            inside.set()

    thread = threading.Thread(target=other)
    with prepared(first, "stitched") as work:
        thread.start()
        assert not inside.wait(0.5)
        assert "stitched" in (work / "request.json").read_text()
    assert inside.wait(30)
    thread.join()
    assert "bitfile" in seen[0]
