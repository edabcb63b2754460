"""engine=vivado from training to a deployed package, with the fake Vivado, by user commands."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.faults.workshop import Workshop
from tests.vendor import containers
from tests.vendor.install import Failure, break_off, calls, install

ENGINE = "engine=vivado"
VENDOR = ("synth", "implement")


class Bench(Workshop):
    """A build folder, and an installation of the fake Vivado."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "build")
        self.vivado = install(folder / "Xilinx")
        self.env["PATH"] = f"{self.vivado / 'bin'}:{self.env['PATH']}"
        self.env.pop("XILINX_VIVADO", None)

    def folder(self, stage: str) -> Path:
        (unit,) = self.build.glob("tiny*@Pynq-Z1.vivado")
        return unit / stage

    def work(self, name: str) -> Path:
        """The work folder of the latest run of a plan."""
        return max(
            (path.parent for path in (self.build / ".cache" / "vivado").glob(f"*/{name}.tcl")),
            key=lambda folder: folder.stat().st_mtime_ns,
        )

    def forget(self) -> None:
        """Removes all that Vivado has made."""
        for stage in VENDOR:
            shutil.rmtree(self.folder(stage))
        shutil.rmtree(self.build / ".cache" / "vivado")

    def bitfile(self) -> bytes:
        return (self.folder("implement") / "accelerator.bit").read_bytes()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    if shutil.which("tclsh") is None:
        pytest.skip("no tclsh here")
    bench = Bench(tmp_path_factory.mktemp("vivado"))
    text = bench.doit("build", ENGINE)
    for words in ("slack", "LUT, routed", "whose timing is met", "accelerator.bit"):
        assert words in text
    return bench


def test_the_package_runs_on_a_virtual_board(bench: Bench) -> None:
    text = bench.doit("deploy", ENGINE, "host=virtual")
    assert "on virtual: pass" in text
    assert "360 of 360 equal" in text
    assert not [line for line in text.splitlines() if line.startswith("ran ")]


def test_a_plan_is_shown_and_nothing_is_run(bench: Bench) -> None:
    text = bench.doit("synth", ENGINE, "dry_run=yes", "strategy=quick")
    assert "plan synth" in text
    for words in ("synth_design", "vivado -mode batch", "digest"):
        assert words in text
    assert not [*bench.build.glob("*strategy-quick/synth")]


def test_behind_a_launcher_it_gives_the_same(bench: Bench, tmp_path: Path) -> None:
    before = bench.bitfile()
    bench.forget()
    launcher = tmp_path / "queue"
    launcher.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/jobs\nshift 2\nexec "$@"\n')
    launcher.chmod(0o755)
    text = bench.doit("package", ENGINE, f"launcher={launcher} -c 8")
    assert "ran  implement" in text
    assert bench.bitfile() == before
    assert len((tmp_path / "jobs").read_text().splitlines()) == len(VENDOR)


def test_in_a_container_it_gives_the_same(bench: Bench) -> None:
    before = bench.bitfile()
    with containers.podman() as image:
        bench.env.update({k: v for k, v in os.environ.items() if k.startswith("CONTAINERS_")})
        bench.forget()
        text = bench.doit("package", ENGINE, "container=podman", f"container_image={image}")
        assert "ran  implement" in text
        assert bench.bitfile() == before
        assert containers.left() == []


def test_kill_9_while_it_routes_leaves_nothing_and_resumes_there(bench: Bench) -> None:
    before = bench.bitfile()
    bench.forget()
    break_off(bench.vivado, Failure("route_design", lines=("routing now",), action="hang"))
    doit = bench.start("package", ENGINE)
    log = bench.folder("implement.partial") / "logs" / "implement.log"
    until = time.monotonic() + 120
    while not (log.is_file() and "routing now" in log.read_text()):
        assert time.monotonic() < until, "it never began to route"
        assert doit.poll() is None
        time.sleep(0.1)
    os.killpg(doit.pid, signal.SIGKILL)
    doit.communicate()
    assert bench.left_over() == []
    break_off(bench.vivado, None)
    (bench.work("implement") / "fake_calls.jsonl").unlink()
    text = bench.doit("package", ENGINE)
    assert "kept synth" in text
    assert "ran  implement" in text
    done = [call[0] for call in calls(bench.work("implement"))]
    assert "route_design" in done
    assert "place_design" not in done, "it was placed before"
    assert bench.bitfile() == before


def test_what_vivado_fails_at_is_told_with_a_remedy(bench: Bench) -> None:
    bench.forget()
    lines = (
        "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis' and/or "
        "device 'xc7z020'.",
    )
    break_off(bench.vivado, Failure("synth_design", lines=lines))
    code, text = bench.end(bench.start("package", ENGINE))
    assert code == 1
    assert "failed synth:tiny" in text
    assert "icence" in text
    assert "Traceback" not in text
    break_off(bench.vivado, None)
    assert "ran  implement" in bench.doit("package", ENGINE)
