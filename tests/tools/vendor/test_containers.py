"""Runs in a real container by podman: what it sees, as whom, and that it ends with its build."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import ROOT
from pipeline.errors import ToolError
from pipeline.tools.process import run_tool
from pipeline.tools.vendor.executor import Executor, executor
from pipeline.tools.watch import Watch
from tests.tools.vendor.installed import LINGERS, install, of_run, plan
from tests.tools.vendor.test_ends import BUILD, ELSEWHERE, FAR, build, nothing_left, until, works
from tests.vendor import containers

LOOKS = """
echo "in $PWD with $*"
echo "user $(id -u) host $(uname -n) home $HOME"
echo "network $(grep -c : /proc/net/dev)"
for place in "$@"; do
    there=$([ -e "$place" ] && echo there)
    echo "$place $there $( (echo x >"$place/new") 2>/dev/null && echo writable)"
done
touch synth.dcp
"""


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with containers.podman() as name:
        yield name


def contained(vivado: Path, image: str, **settings: object) -> Executor:
    fixed = {"vivado": str(vivado), "container": "podman", "container_image": image}
    return executor({**fixed, **settings})


def test_what_it_sees_of_this_machine(tmp_path: Path, image: str) -> None:
    vivado = install(tmp_path, LOOKS)
    read, hidden = tmp_path / "rtl", tmp_path / "hidden"
    read.mkdir()
    hidden.mkdir()
    link = tmp_path / "link"
    link.symlink_to(read)
    argv = ("vivado", *map(str, (vivado, link, hidden, ".")))
    asked = plan(argv=argv, reads=(link,))
    folder = tmp_path / asked.digest()
    lines: list[str] = []
    contained(vivado, image).run(asked, folder, tmp_path / "log", lines.append)
    assert lines == [
        f"in {folder} with {' '.join(argv[1:])}",
        f"user {os.getuid()} host vendor-tools home {folder}/.run/home",
        "network 1",
        f"{vivado} there ",
        f"{link} there ",
        f"{hidden}  ",
        ". there writable",
    ]
    assert (folder / "synth.dcp").stat().st_uid == os.getuid()
    assert containers.left() == []


def test_errors_are_told_apart(tmp_path: Path, image: str) -> None:
    vivado = install(tmp_path, "echo ERROR: [Synth 8-1] no; exit 2")
    with pytest.raises(ToolError, match=r"Synth 8-1") as told:
        contained(vivado, image).run(plan(), tmp_path / "a", tmp_path / "log")
    assert told.value.code == 2
    with pytest.raises(ToolError, match=r"125 is podman's own: the container was not started"):
        contained(vivado, "no-such-image").run(plan(), tmp_path / "b", tmp_path / "log")
    assert containers.left() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_build_that_ends(tmp_path: Path, image: str, number: signal.Signals) -> None:
    with build(tmp_path, container="podman", container_image=image) as process:
        assert len(containers.left()) == 1
        process.send_signal(number)
        assert nothing_left(tmp_path)
        assert until(lambda: containers.left() == [])
    assert works(tmp_path, container="podman", container_image=image)


def test_a_stage_that_ends_all_it_started(tmp_path: Path, image: str) -> None:
    """It kills even what was given to it as an orphan, but not what removes the container."""
    stage = (
        "import signal; from pipeline.flow.run import _end_with_all\n"
        "signal.signal(signal.SIGTERM, _end_with_all)"
    )
    with build(tmp_path, stage, container="podman", container_image=image) as process:
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
        assert nothing_left(tmp_path)
        assert until(lambda: containers.left() == [])


def test_a_stage_that_is_ended_at_its_limit(tmp_path: Path, image: str) -> None:
    """As doit does it: by killing all that is below the stage."""
    settings = {
        "vivado": str(install(tmp_path, LINGERS)), "container": "podman", "container_image": image
    }  # fmt: skip
    watch = Watch()
    words = [sys.executable, "-c", BUILD.format(more=""), str(tmp_path), repr(settings)]
    with pytest.raises(ToolError, match="did not end"):
        run_tool(
            words, log=tmp_path / "stage.log", cwd=ROOT, watch=watch,
            on_line=lambda line: watch.begin(0.1) if line == "started" else None,
        )  # fmt: skip
    assert nothing_left(tmp_path)
    assert until(lambda: containers.left() == [])


@pytest.mark.parametrize("more", ["", ELSEWHERE], ids=["same kernel", "other machine"])
def test_behind_a_launcher(tmp_path: Path, image: str, more: str) -> None:
    far = tmp_path / "far"
    far.write_text(FAR)
    far.chmod(0o755)
    settings = {"container": "podman", "container_image": image, "launcher": f"{far} host"}
    with build(tmp_path, more, **settings) as process:
        process.kill()
        process.wait()
        assert nothing_left(tmp_path)
        assert until(lambda: containers.left() == [])
    assert works(tmp_path, **settings)


def test_a_tool_that_hangs(tmp_path: Path, image: str) -> None:
    chosen = contained(install(tmp_path, LINGERS), image)
    folder = tmp_path / plan().digest()
    with pytest.raises(ToolError, match=r"did not end within 2 s"):
        chosen.run(plan(), folder, tmp_path / "log", timeout=2)
    assert not of_run(folder)
    assert containers.left() == []


def test_a_container_that_somebody_removes(tmp_path: Path, image: str) -> None:
    with build(tmp_path, container="podman", container_image=image) as process:
        command = contained(tmp_path / "Vivado" / "2024.2", image).container
        assert command is not None
        removal = command.removal(tmp_path / plan().digest())
        assert removal is not None
        subprocess.run(removal, check=True)
        assert process.wait(20) == 1
        assert nothing_left(tmp_path)


def test_what_is_left_of_an_earlier_run_is_removed(tmp_path: Path, image: str) -> None:
    """By hand, or by a build whose machine lost its power: a container with nobody to end it."""
    vivado = install(tmp_path, "sleep 600")
    chosen = contained(vivado, image)
    folder = tmp_path / plan().digest()
    (folder / ".run").mkdir(parents=True)
    (folder / ".run" / "run.sh").write_text("sleep 600\n")
    command = chosen.command(plan(), folder)
    command.insert(command.index("--rm"), "--detach")
    subprocess.run(command, check=True)
    assert len(containers.left()) == 1
    assert works(tmp_path, container="podman", container_image=image)
    assert until(lambda: containers.left() == [])
