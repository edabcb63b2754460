"""The images in docker/, really built by podman: no registry, no network, a thin root file system.

In place of Debian's apt-get the thin one has a script that writes down what it is asked for.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import ROOT
from pipeline.tools.vendor.container import IMAGE
from pipeline.tools.vendor.executor import executor
from tests.tools.vendor.installed import install, plan
from tests.vendor import containers

APT = '#!/bin/sh\necho "$@" >>/apt.log\nmkdir -p /var/lib/apt/lists\n'


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A thin image with an apt-get."""
    context = tmp_path_factory.mktemp("base")
    (context / "apt-get").write_text(APT)
    (context / "apt-get").chmod(0o755)
    with containers.podman() as thin:
        (context / "Dockerfile").write_text(f"FROM {thin}\nCOPY apt-get /usr/bin/apt-get\n")
        build(context, "base")
        yield "localhost/base"


def build(context: Path, name: str, *words: str) -> None:
    command = ["podman", "build", "--network=none", "--pull=never", f"--tag={name}", *words]
    told = subprocess.run(
        [*command, str(context)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout


def said(image: str, *command: str) -> list[str]:
    run = ["podman", "run", "--rm", "--network=none", "--entrypoint=", image, *command]
    return subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def test_the_image_for_vendor_tools(base: str, tmp_path: Path) -> None:
    """It is built as README.md says, and the executor's default image then runs a plan."""
    build(ROOT / "docker" / "vendor", IMAGE, f"--build-arg=BASE={base}")
    update, wanted = said(IMAGE, "cat", "/apt.log")
    assert update == "update"
    assert {"bash", "util-linux", "grep", "libtinfo5", "libudev1", "g++"} <= {*wanted.split()}
    assert not [word for word in wanted.split() if re.search("vivado|vitis|xilinx", word)]
    vivado = install(tmp_path, "id -u; touch synth.dcp")
    chosen = executor({"vivado": str(vivado), "container": "podman"})
    lines: list[str] = []
    chosen.run(plan(), tmp_path / "work", tmp_path / "log", lines.append)
    assert lines == [said(IMAGE, "id", "-u")[0]]


def test_nothing_private_gets_into_the_image_of_the_pipeline(base: str, tmp_path: Path) -> None:
    """The context is a copy of the repository, with all that a user's checkout may have."""
    context = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".venv*", ".uv", ".git", "build", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, context, ignore=ignored)
    private = (
        ".git/config", ".venv/bin/python", ".venv-board-3.1/x", ".uv/bin/uv", "build/tfc/rtl/top.v",
        "local.toml", "xilinx.lic", "docs/site.lic", "pipeline/__pycache__/x.pyc",
        ".doit-install.log", "qnn_to_fpga.egg-info/PKG-INFO", ".env", ".mypy_cache/x",
        ".hypothesis/x",
    )  # fmt: skip
    for name in private:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text("private")
    file = f"--file={context}/docker/pipeline/Dockerfile"
    build(context, "sources", f"--build-arg=BASE={base}", "--target=sources", file)
    inside = said("sources", "bash", "-c", "cd /opt/qnn && shopt -s dotglob globstar && echo ** ")
    names = {*inside[0].split()}
    assert not names & {*private}
    assert names >= {"doit", "dodo.py", "pipeline/chain.py", "requirements/install.sh", "uv.lock"}
    assert "pipeline/tools/vendor/run_body.sh" in names


def test_what_the_pipeline_image_asks_the_system_for(base: str) -> None:
    file = f"--file={ROOT}/docker/pipeline/Dockerfile"
    build(ROOT / "docker", "system", f"--build-arg=BASE={base}", "--target=system", file)
    wanted = said("system", "cat", "/apt.log")[1].split()
    assert {"g++", "python3", "python3-venv", "util-linux", "openssh-client"} <= {*wanted}


def test_base_images_name_no_registry() -> None:
    for file in (ROOT / "docker").rglob("Dockerfile"):
        bases = re.findall(r"^ARG BASE=(\S+)$", file.read_text(), re.MULTILINE)
        assert len(bases) == 1
        assert re.fullmatch(r"[a-z]+:[a-z0-9.-]+", bases[0]), "no host, no path"
        froms = re.findall(r"^FROM (\S+)", file.read_text(), re.MULTILINE)
        assert {*froms} <= {"${BASE}", "system"}
