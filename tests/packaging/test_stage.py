"""The package stage: one archive, the same in any folder, zone and locale, that drives a board."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import packaging
from pipeline.data.arrays import FILE, DataSet
from pipeline.driver.proof import load
from pipeline.errors import PipelineError
from pipeline.hardware import graph as hardware
from pipeline.hardware import reference
from pipeline.job import Job
from pipeline.packaging import archive, bitfile
from pipeline.rtl.design import load_design
from tests.driver import fakes
from tests.hardware import networks

ROOT = Path(__file__).parents[2]
UNIT = "unit"
PROGRAM = """
import json, sys
from pathlib import Path
from pipeline import packaging
from pipeline.job import Job
here, extra = Path(sys.argv[1]), sys.argv[2]
inputs = {path.name: path for path in sorted((here / "unit").iterdir()) if path.is_dir()}
folder = here / "unit" / "package.partial"
folder.mkdir()
packaging.run(Job("package", "unit", {"package.extra": extra}, inputs, folder))
"""


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of the stages that the package stage reads, of a small network."""
    root = tmp_path_factory.mktemp("stages")
    unit = root / "unit"
    graph = fakes.network()
    images = networks.images(graph, 9)
    fakes.package(unit / "driver", graph, images)
    shutil.move(unit / "driver" / "rtl", unit / "rtl")
    for name in ("streamline", "data"):
        (unit / name).mkdir()
    hardware.save(graph, unit / "streamline")
    labels = np.arange(9) % 6
    test = fakes.raw(graph, images)
    DataSet(test, labels, test, labels).write(unit / "data" / FILE)
    for folder in unit.iterdir():
        (folder / "manifest.json").write_text(json.dumps({"outputs": {"a": folder.name}}))
    return root


def packed(stages: Path, place: Path, extra: str = "none", **options: Any) -> Path:
    """The archive that a process of its own makes, from a copy of the stages in `place`."""
    shutil.copytree(stages, place, copy_function=shutil.copyfile)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, place, extra], env=environment, cwd=place,
        capture_output=True, text=True, check=False, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place / "unit" / "package.partial" / f"{UNIT}.tar"


@pytest.fixture(scope="module")
def made(stages: Path, tmp_path_factory: pytest.TempPathFactory) -> archive.Package:
    return archive.read(packed(stages, tmp_path_factory.mktemp("made") / "a", "testset"))


def test_it_is_the_same_file_in_any_surroundings(stages: Path, tmp_path: Path) -> None:
    first = packed(stages, tmp_path / "a", umask=0o022, env={"TZ": "UTC", "LC_ALL": "C"})
    second = packed(
        stages, tmp_path / "some where" / "else", umask=0o077,
        env={"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    sums = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}
    assert len(sums) == 1


def test_the_package_drives_a_board(stages: Path, made: archive.Package, tmp_path: Path) -> None:
    assert made.manifest.bitfile == "simulated"
    assert set(made.manifest.provenance) == {"data", "driver", "rtl", "streamline"}
    folder = tmp_path / "board"
    made.extract(folder)
    assert "SIMULATED" in (folder / "README.txt").read_text()
    graph = hardware.load(stages / "unit" / "streamline")
    board = fakes.FakeBoard(graph, load_design(stages / "unit" / "rtl"))
    driver: Any = load(folder / "driver.py")
    with driver.Accelerator(folder, board=board) as accelerator:
        found = accelerator.validate(folder / "testset")
        assert found["equal"]
        predicted = accelerator.settings.predicted.figures.testset_accuracy
        assert found["testset"]["accuracy"] == predicted.value
    images = networks.images(graph, 9)
    labels = reference.run(graph, images)[graph.sink.id].reshape(-1)
    assert predicted.value == pytest.approx(100 * np.mean(labels == np.arange(9) % 6))


def test_an_engines_bitfile_and_hwh_are_packed_as_they_are(stages: Path, tmp_path: Path) -> None:
    place = tmp_path / "a"
    shutil.copytree(stages, place)
    folder = place / "unit" / "implement"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"outputs": {}}))
    ours = bitfile.simulated("xc7z020clg400-1", b"1234")
    (folder / "accelerator.bit").write_bytes(ours.replace(b"=simulated", b"=2024.2.00"))
    (folder / "accelerator.hwh").write_text("<hwh/>")
    found = archive.read(packed(place, tmp_path / "b"))
    assert found.manifest.bitfile == "implemented"
    assert found.read("accelerator.hwh") == b"<hwh/>"
    settings = json.loads(found.read("settings.json"))
    assert settings["bitfile"]["kind"] == "implemented"
    assert settings["timeouts"]["least_s"] == 2
    assert b"SIMULATED" not in found.read("README.txt")


def test_the_bitfile_holds_the_design(stages: Path, made: archive.Package, tmp_path: Path) -> None:
    driver: Any = load(stages / "unit" / "driver" / "driver.py")
    payload = driver.bitfile_fields(made.read("accelerator.bit"))[1]
    path = tmp_path / "payload.tar"
    path.write_bytes(payload)
    names = subprocess.run(
        ["tar", "-tf", path], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"shell.v", "accelerator.v", "design.json"} < set(names)


def test_a_test_set_needs_a_data_set(tmp_path: Path) -> None:
    job = Job("package", UNIT, {}, {}, tmp_path)
    with pytest.raises(PipelineError, match="only random inputs; dataset= names one"):
        packaging._test_set(job, fakes.network())
