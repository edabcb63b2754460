"""The engine's runs in a real container by podman, with the fake tools mounted into it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import ROOT
from pipeline.engines import BITFILE
from pipeline.engines.vivado.rtl import ENGINE
from tests.engines.vivado import cases
from tests.engines.vivado.finn.test_shim import Work
from tests.tools.vendor.installed import of_run
from tests.tools.vendor.test_ends import until
from tests.vendor import containers
from tests.vendor.install import Failure, break_off, calls, install

BUILD = """
import sys
from pathlib import Path
from pipeline.engines.vivado.rtl import ENGINE
from tests.engines.vivado import cases
settings = {"vivado": sys.argv[2], "container": "podman", "container_image": sys.argv[3]}
graph, folding = cases.tfc(), cases.TFC_FOLDING
unit = cases.Unit(Path(sys.argv[1]), cases.target("Pynq-Z1"), graph, folding, settings)
ENGINE.implement(unit.job("implement"), unit.graph, unit.folding)
"""


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with containers.podman() as name:
        yield name


def test_to_the_same_bitfile_as_outside(tmp_path: Path, image: str) -> None:
    vivado = install(tmp_path)
    found = []
    for name, settings in (("here", {}), ("there", {"container": "podman"})):
        unit = cases.unit("Pynq-Z1", tmp_path / name, vivado)
        unit.settings.update(container_image=image, **settings)
        ENGINE.synthesise(unit.job("synth"), unit.graph, unit.folding)
        ENGINE.implement(unit.job("implement"), unit.graph, unit.folding)
        found.append((unit.job("implement").folder / BITFILE).read_bytes())
    assert found[0] == found[1]
    assert containers.left() == []


def test_kill_9_while_it_routes_leaves_nothing_and_resumes_there(
    tmp_path: Path, image: str
) -> None:
    vivado = install(tmp_path)
    unit = cases.unit("Pynq-Z1", tmp_path / "build", vivado)
    unit.settings.update(container="podman", container_image=image)
    ENGINE.synthesise(unit.job("synth"), unit.graph, unit.folding)
    break_off(vivado, Failure("route_design", lines=("routing now",), action="hang"))
    words = [sys.executable, "-c", BUILD, str(tmp_path / "build"), str(vivado), image]
    log = unit.job("implement").folder / "logs" / "implement.log"
    with subprocess.Popen(words, cwd=ROOT) as process:
        assert until(lambda: log.is_file() and "routing now" in log.read_text(), 60)
        assert len(containers.left()) == 1
        process.kill()
    folder = unit.work_folders[-1]
    assert until(lambda: not of_run(folder))
    assert until(lambda: containers.left() == [])
    break_off(vivado, None)
    (folder / "fake_calls.jsonl").unlink()
    ENGINE.implement(unit.job("implement"), unit.graph, unit.folding)
    done = {call[0] for call in calls(folder)}
    assert "route_design" in done
    assert "place_design" not in done


def test_hls_as_finn_calls_it(tmp_path: Path, image: str) -> None:
    """The tool that FINN calls is a program of ours, which runs HLS in a container."""
    work = Work(tmp_path)
    settings = {**work.settings, "container": "podman", "container_image": image}
    reads = [*work.shims.reads, work.settings["finn_deps"]]
    replace(work.shims, settings=settings, reads=reads).save(work.root)
    folder = work.node("a")
    assert "ERROR" not in work.run(folder)
    assert work.component(folder).is_file()
    assert containers.left() == []
