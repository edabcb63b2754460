"""The cache of what units share: whatever lies there, the result is the right one."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import ROOT
from pipeline.tools.cache import remembered

KEY = {"compiler": "c++ 12", "flags": ["-O2"]}


def refuse() -> bytes:
    raise AssertionError("made again")


def entry_of(folder: Path) -> Path:
    (entry,) = folder.iterdir()
    return entry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache that remembers "right" under KEY."""
    place = tmp_path / ".cache" / "things"
    assert remembered(place, KEY, lambda: b"right\nand binary \xff") == b"right\nand binary \xff"
    return place


def test_an_intact_entry_is_not_made_again(folder: Path) -> None:
    assert remembered(folder, dict(reversed(KEY.items())), refuse) == b"right\nand binary \xff"


def test_another_version_is_another_entry(folder: Path) -> None:
    assert remembered(folder, {**KEY, "compiler": "c++ 13"}, lambda: b"new") == b"new"
    assert remembered(folder, KEY, refuse).startswith(b"right")


def altered(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes().replace(b"right", b"wrong"))


def cut_short(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:-3])


def emptied(entry: Path) -> None:
    entry.write_bytes(b"")


def of_another(entry: Path) -> None:
    remembered(entry.parent, "another", lambda: b"alien")
    (other,) = (path for path in entry.parent.iterdir() if path != entry)
    other.replace(entry)


def a_folder(entry: Path) -> None:
    entry.unlink()
    (entry / "within").mkdir(parents=True)


def a_dangling_link(entry: Path) -> None:
    entry.unlink()
    entry.symlink_to("nowhere")


def a_link_to_itself(entry: Path) -> None:
    entry.unlink()
    entry.symlink_to(entry)


def a_named_pipe(entry: Path) -> None:
    entry.unlink()
    os.mkfifo(entry)


def a_file_for_the_folder(entry: Path) -> None:
    entry.unlink()
    entry.parent.rmdir()
    entry.parent.write_text("not a folder")


def a_file_for_the_cache(entry: Path) -> None:
    a_file_for_the_folder(entry)
    entry.parent.unlink()
    entry.parent.parent.rmdir()
    entry.parent.parent.write_text("not a folder")


@pytest.mark.parametrize(
    "damage",
    [
        altered,
        cut_short,
        emptied,
        of_another,
        a_folder,
        a_dangling_link,
        a_link_to_itself,
        a_named_pipe,
        a_file_for_the_folder,
        a_file_for_the_cache,
    ],
)
def test_a_bad_entry_is_made_again_and_then_good(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(entry_of(folder))
    assert remembered(folder, KEY, lambda: b"again") == b"again"
    assert remembered(folder, KEY, refuse) == b"again"


def test_a_cache_that_cannot_be_written_costs_only_time() -> None:
    assert remembered(Path("/proc/no/such"), KEY, lambda: b"made") == b"made"


def test_a_failure_is_not_remembered(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="made again"):
        remembered(tmp_path / "things", KEY, refuse)
    assert remembered(tmp_path / "things", KEY, lambda: b"made") == b"made"


def test_many_writers_and_readers_at_once_see_whole_entries(tmp_path: Path) -> None:
    """Two processes of four threads, each of which writes the entry and reads it, many times."""
    whole = b"x" * 200_000
    code = f"""
import threading
from pathlib import Path
from pipeline.tools.cache import remembered
folder = Path({str(tmp_path / "things")!r})
seen = []
def work():
    for n in range(50):
        seen.append(remembered(folder, "one", lambda: b"x" * 200_000))
        if n % 5 == 0:
            for path in folder.iterdir():
                if not path.name.startswith("."):
                    path.unlink(missing_ok=True)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(seen) == 200 and set(seen) == {{b"x" * 200_000}}
"""
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert remembered(tmp_path / "things", "one", lambda: whole) == whole
    assert not [path for path in (tmp_path / "things").iterdir() if path.name.startswith(".")]
