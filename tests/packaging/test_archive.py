"""Archives are the same everywhere and read whole; tests/hostile has those that are refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.packaging import archive
from tests.packaging.hostile_archives import good, packed

ROOT = Path(__file__).parents[2]


def test_a_good_archive_is_read_and_extracted(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(packed(good()))
    package = archive.read(path)
    assert package.manifest.unit == "net@Board.open"
    package.extract(tmp_path / "out")
    found = {
        file.relative_to(tmp_path / "out").as_posix(): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file()
    }
    assert found == good()
    tar = subprocess.run(["tar", "-tf", path], capture_output=True, text=True, check=True)
    assert tar.stdout.split() == sorted(good())


def test_an_oversized_archive_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        file.truncate(archive.MOST_BYTES + 1)
    with pytest.raises(PipelineError, match="at most 4,294,967,296 are read"):
        archive.read(path)


def test_a_missing_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read"):
        archive.read(tmp_path / "none.tar")


@given(st.integers(0, len(packed(good())) - 1), st.integers(1, 255))
def test_no_changed_byte_gets_through(
    tmp_path_factory: pytest.TempPathFactory, at: int, change: int
) -> None:
    """Either the archive is refused, or no file that the board uses has changed."""
    data = bytearray(packed(good()))
    data[at] ^= change
    path = tmp_path_factory.mktemp("changed") / "a.tar"
    path.write_bytes(data)
    try:
        package = archive.read(path)
    except PipelineError:
        return
    unchanged = {name: data for name, data in good().items() if name != archive.MANIFEST}
    assert {name: package.read(name) for name in package.manifest.files} == unchanged


def test_the_same_files_make_the_same_bytes_in_any_surroundings(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from tests.packaging.hostile_archives import good\n"
        "from pipeline.packaging import archive\n"
        "archive.write(pathlib.Path(sys.argv[1]), good())\n"
    )
    sums = set()
    for number, (mask, zone, locale) in enumerate(
        [(0o022, "UTC", "C"), (0o077, "Asia/Tokyo", "C.UTF-8"), (0o002, "America/Lima", "POSIX")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", program, folder / "a.tar"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TZ": zone, "LC_ALL": locale},
            cwd=folder,
            umask=mask,
            check=True,
        )
        sums.add(hashlib.sha256((folder / "a.tar").read_bytes()).hexdigest())
    assert len(sums) == 1
