"""The whole command lines and scripts, for every executor, beside golden files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import MissingTool, SpecError
from pipeline.tools.vendor.container import mounts
from pipeline.tools.vendor.executor import Executor, executor
from tests.tools.vendor.installed import install, plan
from tests.vendor import golden

GOLDEN = Path(__file__).with_name("golden")
FOLDER = Path("/home/me/qnn/build/.cache/vivado/digest")
FAR: dict[str, Any] = {
    "vivado": "/tools/Xilinx/Vivado/2024.2",
    "jobs": 4,
    "container_image": "image",
}
"""Behind a launcher nothing of the installation is looked for, so that the plans are the same
everywhere; the launcher is taken away again where a test is of a local run."""


def made(monkeypatch: pytest.MonkeyPatch, launcher: str = "", **settings: object) -> Executor:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 100)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = executor({**FAR, "launcher": launcher or "srun", **settings})
    if launcher:
        return found
    return Executor(**{**vars(found), "launcher": ()})


@pytest.mark.parametrize("engine", ["none", "docker", "podman", "apptainer"])
def test_argv(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    asked = plan(reads=(Path("/home/me/qnn/build/tfc/rtl"), Path("/home/me/qnn/build/tfc/rtl/a.v")))
    lines = []
    for launcher in ("", "srun -c 8 --mem=16G", "bsub -I -n 8", "ssh far"):
        for licence in ("", "2100@server:/opt/my licence.lic"):
            found = made(monkeypatch, launcher, container=engine, licence=licence)
            lines += [f"# launcher={launcher} licence={licence}", *found.command(asked, FOLDER), ""]
    golden.check("\n".join(lines), GOLDEN / f"argv-{engine}.txt")


@pytest.mark.parametrize("engine", ["none", "docker"])
def test_run_script(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    asked = plan(environment={"WORDS": 'it\'s a "$HOME"'})
    text = made(monkeypatch, container=engine, licence="2100@server").script(asked, FOLDER)
    golden.check(text, GOLDEN / f"run-{engine}.sh")


@pytest.mark.parametrize("engine", ["none", "podman"])
def test_what_a_dry_run_shows(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    asked = plan(environment={"A": "b"}, inputs={"rtl": "0" * 64}, reads=(Path("/home/me/rtl"),))
    text = made(monkeypatch, container=engine, licence="2100@secret").describe(asked, FOLDER)
    assert "secret" not in text
    golden.check(text + "\n", GOLDEN / f"describe-{engine}.txt")


def test_the_script_is_clean() -> None:
    beside_python = Path(sys.executable).parent / "shellcheck"
    shellcheck = shutil.which(beside_python) or shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("no shellcheck for this platform")
    subprocess.run([shellcheck, "--severity=warning", GOLDEN / "run-docker.sh"], check=True)


def test_a_shell_behind_ssh_reads_each_word_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("/home/me/it's $HOME; a b")
    words = made(monkeypatch, "ssh far").command(plan(), folder)
    line = " ".join(words[2:])  # as ssh sends it
    asked = ["sh", "-c", f"set -- {line}; printf '%s\\n' \"$@\""]
    told = subprocess.run(asked, capture_output=True, check=True, text=True).stdout.splitlines()
    assert told == made(monkeypatch).command(plan(), folder)


def test_mounts_are_few_and_also_where_links_lead(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "inside").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(real)
    work = tmp_path / "work"
    found = mounts(work, [link, real / "inside", link / "inside", work / "within"])
    assert [(mount.path, mount.writable) for mount in found] == [
        (link, False), (real, False), (work, True)
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/a,b", "/a:b", '/a"b', "/a\nb", "/"])
def test_what_no_engine_can_mount_is_refused(path: str) -> None:
    with pytest.raises(SpecError, match="a container"):
        mounts(Path("/home/me"), [Path(path)])


def test_a_tool_that_is_not_installed_is_told_with_the_remedy(tmp_path: Path) -> None:
    found = executor({"vivado": str(install(tmp_path))})
    with pytest.raises(MissingTool, match=r"vitis_hls: not beside .* as vitis="):
        found.script(plan(argv=("vitis_hls", "-f", "x.tcl")), tmp_path)


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"launcher": "srun 'a"}, "launcher = .*No closing quotation"),
     ({"container": "docker", "container_image": "-v/:/host"}, "container_image = .*name of")],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(settings: dict[str, str], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        executor({**FAR, "launcher": "srun", **settings})
