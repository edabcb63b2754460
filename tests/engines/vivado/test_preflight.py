"""What is found before a build: each thing that can be wrong, as one finding with its remedy."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.engines.vivado import preflight as module
from pipeline.engines.vivado.preflight import preflight
from pipeline.tools.findings import Finding
from pipeline.tools.vendor import installation
from specs import catalog
from specs.board import BoardSpec
from specs.vivado import VendorTarget
from tests.tools.vendor.installed import install

FIELDS: dict[str, Any] = {
    "board": "Pynq-Z1", "part": "xc7z020clg400-1", "family": "zynq-7000",
    "board_part": "www.digilentinc.com:pynq-z1:part0:1.0", "memory_port_bits": 64,
    "clock_mhz": 100, "lut": 53200, "ff": 106400, "bram36": 140, "dsp": 220,
}  # fmt: skip
FEATURE = (
    "INCREMENT Vivado_System_Edition xilinxd 2037.05 {until} uncounted \\\n\tAB HOSTID={host}\n"
)


@dataclass
class Disk:
    free: int


def target(**changed: object) -> VendorTarget:
    return VendorTarget(**{**FIELDS, **changed})


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own installation, licences or size."""
    for name in ("XILINX_VIVADO", "XILINXD_LICENSE_FILE", "FINN_DEPS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(installation, "ROOTS", (str(tmp_path / "tools"),))
    monkeypatch.setattr(module, "machine_bytes", lambda: 64 << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Disk(99 << 30))


@pytest.fixture
def vivado(tmp_path: Path) -> Path:
    return complete(tmp_path / "tools")


def complete(root: Path, version: str = "2024.2") -> Path:
    folder = install(root, version=version)
    for family in ("zynq", "zynquplus"):
        (folder / "data" / "parts" / "xilinx" / family).mkdir(parents=True)
    board = folder / "data" / "boards" / "board_files" / "pynq-z1" / "A.0"
    board.mkdir(parents=True)
    (board / "board.xml").touch()
    return folder


def found(build: Path, asked: VendorTarget | None = None, **settings: object) -> list[Finding]:
    return preflight(asked or target(), settings, build)


def problems(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.level == "problem"]


def one(findings: list[Finding], what: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.what == what]
    return finding


def program(folder: Path, name: str, script: str, patch: pytest.MonkeyPatch) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_all_is_well(tmp_path: Path, vivado: Path) -> None:
    findings = found(tmp_path)
    assert {finding.level for finding in findings} == {"ok"}
    assert [finding.what for finding in findings] == [
        "vivado", "part", "board files", "licence", "disk", "memory"
    ]  # fmt: skip


@pytest.mark.parametrize("name", catalog.names(BoardSpec))
def test_the_free_edition_has_every_shipped_board(tmp_path: Path, vivado: Path, name: str) -> None:
    board = catalog.find(BoardSpec, "board", name, Path())[1]
    asked = target(board=board.name, part=board.part, family=board.family)
    assert one(found(tmp_path, asked), "licence").found.endswith("is in the free edition")


def test_nothing_is_installed_and_still_all_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    findings = found(tmp_path, launcher="no-such-program", licence="/no/such.lic")
    told = one(findings, "vivado")
    assert (told.level, told.found[:17]) == ("problem", "vivado: not found")
    assert all(f"{way}. " in told.remedy for way in (1, 2, 3))
    assert one(findings, "launcher").level == "problem"
    assert {finding.what for finding in findings} >= {"licence file", "disk"}


Change = Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]


def _old(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"vivado": str(complete(vivado.parents[2] / "old", "2021.2"))}


def _not_executable(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    (vivado / "bin" / "vivado").chmod(0o644)
    return {}


def _no_family(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    (vivado / "data" / "parts" / "xilinx" / "zynq").rmdir()
    return {}


def _large_part(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"target": target(part="xczu9eg-ffvb1156-2-e", family="zynq-us+")}


def _little_disk(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.setattr(shutil, "disk_usage", lambda place: Disk(1 << 30))
    return {}


def _little_memory(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.setattr(module, "machine_bytes", lambda: 1 << 30)
    return {}


def _library(vivado: Path) -> str:
    """A folder with the C++ library that FINN needs."""
    library = vivado.parent / "deps" / "finn-hlslib"
    library.mkdir(parents=True, exist_ok=True)
    (library / "bnn-library.h").touch()
    return str(library.parent)


def _no_hls(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"target": target(hardware="finn"), "finn_deps": _library(vivado)}


def _of_finn(vivado: Path, patch: pytest.MonkeyPatch, **changed: object) -> dict[str, Any]:
    program(vivado / "bin", "vitis_hls", "exit 0", patch)
    return {"target": target(hardware="finn", **changed), "finn_deps": _library(vivado)}


def _no_library(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {**_of_finn(vivado, patch), "finn_deps": "/no/such/folder"}


def _unknown_to_finn(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return _of_finn(vivado, patch, board="MyBoard")


def _odd_clock(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return _of_finn(vivado, patch, clock_mhz=66.6)


def _no_launcher(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"launcher": "no-such-program -c 8"}


def _launcher_that_returns(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    program(vivado / "scheduler", "bsub", "exit 0", patch)
    return {"launcher": "bsub -q long", "vivado": str(vivado)}


def _no_engine(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.setenv("PATH", "/usr/bin:/bin")
    return {"container": "apptainer"}


def _dead_docker(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    said = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
    program(vivado / "engine", "docker", f"echo '{said}' >&2; exit 1", patch)
    return {"container": "docker"}


def _hanging_docker(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    program(vivado / "engine", "docker", "sleep 60", patch)
    return {"container": "docker"}


def _rootless_docker(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    script = '[ "$1" != info ] || echo "[name=seccomp,profile=builtin name=rootless]"'
    program(vivado / "engine", "docker", script, patch)
    return {"container": "docker"}


def _no_image(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    said = "Error response from daemon: No such image: qnn-vendor-tools:latest"
    program(vivado / "engine", "docker", f'[ "$1" = info ] || {{ echo "{said}"; exit 1; }}', patch)
    return {"container": "docker"}


def _link_out(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    program(vivado / "engine", "podman", "exit 0", patch)
    away = vivado.parents[2] / "away" / "bin"
    away.mkdir(parents=True)
    (vivado / "bin" / "vivado").rename(away / "vivado")
    (vivado / "bin" / "vivado").symlink_to(away / "vivado")
    return {"container": "podman"}


def _odd_path(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    program(vivado / "engine", "podman", "exit 0", patch)
    return {"container": "podman", "vivado": str(complete(vivado.parents[2] / "a,b"))}


def _silent_server(vivado: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return {"licence": f"{port}@127.0.0.1", **_large_part(vivado, patch)}


@pytest.mark.parametrize(
    ("change", "what", "told", "remedy"),
    [
        (_old, "vivado", "2021.2 in .*: too old", "2022.2 or any later"),
        (_not_executable, "vivado", "cannot be executed", r"chmod a\+x"),
        (_no_family, "part", r"not installed \(there: zynquplus\)", "Zynq-7000"),
        (_large_part, "licence", "not in the free edition", "licence=port@host"),
        (_little_disk, "disk", "1.0 GiB of at least 2 GiB", "build_dir"),
        (_little_memory, "memory", "1.5 GiB of at least 2 GiB", "launcher="),
        (_no_hls, "Vitis HLS", "no vitis_hls beside", "vitis=.* hardware=rtl"),
        (_no_library, "finn-hlslib", "not in /no/such/folder", r"(?s)deps update.*finn_deps="),
        (_unknown_to_finn, "FINN's shell", "does not know the board MyBoard", "hardware=rtl"),
        (_odd_clock, "FINN's shell", "clock_mhz = 66.6: .* whole MHz only", "whole MHz"),
        (_no_launcher, "launcher", "no-such-program: no such program", "launcher="),
        (_launcher_that_returns, "launcher", "returns before the run", "bsub -I"),
        (_no_engine, "container", "apptainer: not installed", "container=none"),
        (_dead_docker, "container", "Cannot connect to the Docker daemon", "systemctl start"),
        (_hanging_docker, "container", "did not end within 1.5 s", "systemctl start"),
        (_rootless_docker, "container", "rootless", "container=podman"),
        (_no_image, "image", "docker has no image qnn-vendor-tools", "docker build -t qnn-vendor"),
        (_link_out, "mounts", "which the container does not see", "vivado=.*away"),
        (_odd_path, "mounts", "with a comma", ""),
        (_silent_server, "licence server", r"@127\.0\.0\.1: .*refused", "VPN"),
    ],
)  # fmt: skip
def test_one_thing_is_wrong(
    tmp_path: Path, vivado: Path, monkeypatch: pytest.MonkeyPatch,
    change: Change, what: str, told: str, remedy: str,
) -> None:  # fmt: skip
    settings = change(vivado, monkeypatch)
    findings = found(tmp_path / "build", settings.pop("target", None), **settings)
    assert problems(findings) == [what]
    (finding,) = [finding for finding in findings if finding.level == "problem"]
    assert re.search(told, finding.found), finding
    assert re.search(remedy, finding.remedy), finding
    assert not list((tmp_path / "build").rglob("*.log*")), "a look leaves nothing behind"


def test_nobody_waits_for_what_hangs(
    tmp_path: Path, vivado: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server, a licence server and a container engine that would each take a minute."""

    def hang(*arguments: object, **named: object) -> None:
        time.sleep(60)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)
    settings = _hanging_docker(vivado, monkeypatch)
    start = time.monotonic()
    findings = found(tmp_path, _large_part(vivado, monkeypatch)["target"],
                     licence="2100@one:2100@two", **settings)  # fmt: skip
    assert time.monotonic() - start < 10, "each alone would take longer"
    assert problems(findings) == ["licence server", "container"]
    assert one(findings, "licence server").found == "2100@one: no answer; 2100@two: no answer"


def test_one_server_of_three_is_enough(tmp_path: Path, vivado: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        asked = target(part="xczu9eg-ffvb1156-2-e", family="zynq-us+")
        licence = f"1@127.0.0.1,{port}@127.0.0.1,2@127.0.0.1"
        assert problems(found(tmp_path, asked, licence=licence)) == []


@pytest.mark.parametrize(
    ("version", "hardware", "level"),
    [("2021.2", "finn", "problem"), ("2021.2", "rtl", "note"), ("2019.1", "finn", "problem"),
     ("2022.1", "finn", None), ("2024.2", "finn", None)],
)  # fmt: skip
def test_the_date_bug(tmp_path: Path, version: str, hardware: str, level: str | None) -> None:
    vivado = complete(tmp_path / "some", version)
    asked = target(hardware=hardware)
    levels = [x.level for x in found(tmp_path, asked, vivado=str(vivado)) if x.what == "date bug"]
    assert levels == ([] if level is None else [level])
    if level is not None:
        (vivado / "common" / "scripts").mkdir(parents=True)
        (vivado / "common" / "scripts" / "automg_patch_20220104.tcl").touch()
        assert one(found(tmp_path, asked, vivado=str(vivado)), "date bug").level == "ok"


@pytest.mark.parametrize(("hardware", "level"), [("rtl", "note"), ("finn", "problem")])
@pytest.mark.parametrize("board_part", [None, "avnet.com:ultra96v2:part0:1.2"])
def test_board_files_are_needed_by_finn_alone(
    tmp_path: Path, vivado: Path, hardware: str, level: str, board_part: str | None
) -> None:
    asked = target(hardware=hardware, board_part=board_part)
    assert one(found(tmp_path, asked), "board files").level == level


def test_vitis_by_version(tmp_path: Path) -> None:
    for version, tool, product in (
        ("2022.2", "vitis_hls", "Vitis_HLS"),
        ("2025.1", "vitis-run", "Vitis"),
    ):
        vivado = complete(tmp_path / version, version)
        place = vivado.parents[1] / product / version / "bin"
        place.mkdir(parents=True)
        (place / tool).touch()
        findings = found(tmp_path, target(hardware="finn"), vivado=str(vivado))
        assert one(findings, "Vitis HLS").level == "ok"
        assert len([x for x in findings if x.what == "FINN"]) == (version == "2025.1")


def licence_file(path: Path, *, until: str = "permanent", host: str = "ANY") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FEATURE.format(until=until, host=host))
    return path


@pytest.mark.parametrize(
    ("until", "host", "level", "told"),
    [("permanent", "ANY", "ok", "1 features"), ("31-dec-2098", "ANY", "ok", "ends on 2098-12-31"),
     ("1-jan-0", "ANY", "ok", "1 features"),
     ("31-dec-2020", "ANY", "problem", "expired on 2020-12-31"),
     ("permanent", "0123456789ab", "note", "for the machine 0123456789ab, which this is not")],
)  # fmt: skip
def test_licence_files(
    tmp_path: Path, vivado: Path, until: str, host: str, level: str, told: str
) -> None:
    file = licence_file(tmp_path / "x.lic", until=until, host=host)
    large = target(part="xczu9eg-ffvb1156-2-e", family="zynq-us+")
    for place in (file, tmp_path):
        finding = one(found(tmp_path, large, licence=str(place)), "licence file")
        assert finding.level == level
        assert told in finding.found
    free = one(found(tmp_path, licence=str(file)), "licence file")
    assert free.level == ("note" if level == "problem" else level), "the free edition needs none"


def test_licences_of_the_environment_and_of_the_home_folder(
    tmp_path: Path, vivado: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = target(part="xczu9eg-ffvb1156-2-e", family="zynq-us+")
    licence_file(tmp_path / "home" / ".Xilinx" / "Xilinx.lic")
    assert problems(found(tmp_path, large)) == []
    monkeypatch.setenv("XILINXD_LICENSE_FILE", "/no/such.lic")
    assert problems(found(tmp_path, large)) == ["licence file"]


@pytest.mark.parametrize(
    "text", ["", "INCREMENT", "INCREMENT a b c", "\0" * 99, "INCREMENT " * 999]
)
def test_any_file_may_be_named_as_a_licence(tmp_path: Path, vivado: Path, text: str) -> None:
    (tmp_path / "x.lic").write_text(text)
    large = target(part="xczu9eg-ffvb1156-2-e", family="zynq-us+")
    findings = found(tmp_path, large, licence=str(tmp_path / "x.lic"))
    assert problems(findings) == ["licence file"]


def test_behind_a_launcher_the_other_machine_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "machine_bytes", lambda: 1 << 30)
    findings = found(tmp_path, vivado="/far/Vivado/2024.2", launcher="env", container="docker",
                     licence="1@127.0.0.1")  # fmt: skip
    assert problems(findings) == []
    assert one(findings, "vivado").level == "note"
    assert "memory" not in [finding.what for finding in findings]
    notes = [finding.found for finding in findings if finding.what == "launcher"]
    assert len(notes) == 2, "the folder of the tests is below /tmp"
    assert "usually of this machine alone" in notes[1]


@pytest.fixture
def podman() -> Iterator[str]:
    from tests.vendor.containers import podman as started

    with started() as image:
        yield image


def test_a_real_podman(tmp_path: Path, vivado: Path, podman: str) -> None:
    findings = found(tmp_path, container="podman", container_image=podman)
    assert one(findings, "container").found == f"podman, image {podman}"
    assert problems(findings) == []
    assert problems(found(tmp_path, container="podman", container_image="nothing-like-it")) == [
        "image"
    ]
