"""A full disk, one that cannot be written, a file at its limit: each is told as what it is."""

import errno
import os
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import SpecError, ToolError
from pipeline.tools import disk


def status(monkeypatch: pytest.MonkeyPatch, *, blocks: int, free: int, flag: int = 0) -> None:
    found = SimpleNamespace(f_blocks=blocks, f_bavail=free, f_frsize=4096, f_flag=flag)
    monkeypatch.setattr(os, "statvfs", lambda path: found)


def test_what_is_not_the_disks_is_left_alone(tmp_path: Path) -> None:
    assert disk.trouble(ValueError("x"), tmp_path) is None
    assert disk.trouble(PermissionError(errno.EACCES, "no", "/elsewhere"), tmp_path) is None
    assert disk.trouble(SpecError("No space left on device"), tmp_path) is None


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (OSError(errno.ENOSPC, "x"), ToolError("g++: No space left on device")):
        assert "the disk is full" in (disk.trouble(error, tmp_path) or "")
    status(monkeypatch, blocks=10, free=0)
    assert "the disk is full (0.0 MiB left)" in (disk.trouble(ValueError(), tmp_path) or "")


@pytest.mark.parametrize(("blocks", "flag"), [(0, 0), (10, os.ST_RDONLY), (10, 0)])
def test_a_folder_that_cannot_be_written_is_not_told_as_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, flag: int
) -> None:
    """An image of a disk, or /proc, has no room and is not full."""
    status(monkeypatch, blocks=blocks, free=0, flag=flag)
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "a"))
    said = disk.trouble(error, tmp_path)
    assert said is not None
    assert said.startswith(
        f"{tmp_path / 'a'}: cannot be written (Permission denied); set build_dir"
    )
    assert disk.full(tmp_path) == (blocks > 0 and not flag)


def test_a_file_at_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (
        OSError(errno.EFBIG, "said otherwise", str(tmp_path / "a")),
        RuntimeError("fatal: File too large"),
        ToolError(f"yosys failed (ended by signal {25})"),
    ):
        assert "a file reached the size limit" in (disk.trouble(error, tmp_path) or "")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1 << 20, 1 << 20))
    assert disk.trouble(RuntimeError("unexpected position"), tmp_path) is None
    (tmp_path / "cut").write_bytes(bytes(1 << 20))  # by a library that says something else
    said = disk.trouble(RuntimeError("unexpected position"), tmp_path)
    assert said is not None
    assert "a file reached the size limit of 1.0 MiB" in said
    assert "ulimit -f" in said
