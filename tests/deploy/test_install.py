"""Releases on a board: whole or not there, switched in one step, gone back to."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deploy import install as installing
from deploy.install import Board, Package, install, rollback, send_testset
from pipeline.errors import BoardError
from pipeline.tools.files import sha256
from tests.deploy.packages import make_package
from tests.deploy.server import Server


def left(server: Server) -> list[str]:
    return sorted(path.name for path in (server.home / "qnn" / "incoming").glob("*"))


def releases(server: Server) -> list[str]:
    return sorted(path.name for path in (server.home / "qnn" / "releases").glob("*"))


def current(server: Server) -> str:
    return (server.home / "qnn" / "current").readlink().name


def whole(server: Server, package: Package) -> bool:
    folder = server.home / "qnn" / "releases" / package.release
    found = subprocess.run(
        ["sha256sum", "-c", ".sums"], cwd=folder, capture_output=True, check=False
    )
    return found.returncode == 0


def test_a_package_arrives_whole_and_is_current(
    server: Server, board: Board, tmp_path: Path
) -> None:
    package = make_package(tmp_path)
    install(board, package)
    assert whole(server, package)
    assert current(server) == package.release
    assert (server.home / "qnn" / "current" / "golden" / "inputs.npy").read_bytes() == bytes(3000)
    assert left(server) == []


def test_what_is_there_is_not_sent_again_and_what_is_damaged_is(
    server: Server, board: Board, said: list[str], tmp_path: Path
) -> None:
    package = make_package(tmp_path, big=os.urandom(1 << 20))
    install(board, package)
    said.clear()
    install(board, package)
    assert said == ["the package is there already"]
    big = server.home / "qnn" / "current" / "big"
    big.write_bytes(big.read_bytes()[:-1] + b"!")
    install(board, package)
    assert "package: 1.0 of 1.0 MiB sent" in said
    assert whole(server, package)
    (server.home / "qnn" / "current" / ".sums").write_text("")  # sha256sum has nothing to say
    install(board, package)
    assert whole(server, package)


def test_three_releases_stay_and_rollback_goes_through_them(
    server: Server, board: Board, tmp_path: Path
) -> None:
    packages = [make_package(tmp_path, version=str(number).encode()) for number in range(5)]
    for package in packages:
        install(board, package)
    assert releases(server) == sorted(package.release for package in packages[2:])
    assert rollback(board) == packages[3].release == current(server)
    assert rollback(board) == packages[2].release == current(server)
    with pytest.raises(BoardError, match="no release before the current one"):
        rollback(board)
    assert current(server) == packages[2].release
    install(board, packages[4])
    assert current(server) == packages[4].release


def test_there_is_no_way_back_to_a_damaged_release(
    server: Server, board: Board, tmp_path: Path
) -> None:
    first, second = (make_package(tmp_path, version=word) for word in (b"1", b"2"))
    install(board, first)
    install(board, second)
    (server.home / "qnn" / "releases" / first.release / "driver.py").write_text("")
    with pytest.raises(BoardError, match="not what was sent"):
        rollback(board)
    assert current(server) == second.release


def test_a_board_where_nothing_was_deployed_has_nothing_to_go_back_to(board: Board) -> None:
    with pytest.raises(BoardError, match="no release before"):
        rollback(board)


def test_a_connection_that_drops_leaves_the_old_release(
    server: Server, board: Board, tmp_path: Path
) -> None:
    old, new = make_package(tmp_path), make_package(tmp_path, big=os.urandom(4 << 20))
    install(board, old)
    server.drop_after = 1 << 20
    with pytest.raises(BoardError, match="the connection was lost"):
        install(board, new)
    assert current(server) == old.release
    assert releases(server) == [old.release]
    server.drop_after = None
    install(board, new)
    assert current(server) == new.release
    assert whole(server, new)
    assert left(server) == []


def test_a_full_disk_is_told_before_anything_is_sent(
    server: Server, board: Board, tmp_path: Path
) -> None:
    server.program("df", "#!/bin/sh\nprintf 'x\\ny 1 1 1024 1 /\\n'\n")
    with pytest.raises(BoardError, match=r"its disk is full: 16 MiB wanted, 1 MiB free. Make room"):
        install(board, make_package(tmp_path))
    assert releases(server) == []
    (server.programs / "df").unlink()
    install(board, make_package(tmp_path))


def test_a_disk_that_runs_full_meanwhile(server: Server, board: Board, tmp_path: Path) -> None:
    server.program(
        "tar", "#!/bin/sh\necho 'tar: x: Cannot write: No space left on device' >&2\nexit 2\n"
    )
    with pytest.raises(BoardError, match="its disk is full: it ran full meanwhile"):
        install(board, make_package(tmp_path))
    assert releases(server) == left(server) == []


def test_a_package_that_changes_on_its_way_is_not_installed(
    server: Server, board: Board, tmp_path: Path
) -> None:
    package = make_package(tmp_path)
    data = package.tar.read_bytes()
    package.tar.write_bytes(data.replace(b"print", b"PRINT"))
    with pytest.raises(BoardError, match="not what was sent"):
        install(board, package)
    assert releases(server) == left(server) == []


def test_a_link_that_is_too_slow_is_given_up(
    server: Server, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "transfer_seconds", lambda size: 1.0)
    server.program("tar", "#!/bin/sh\nexec sleep 30\n")
    with pytest.raises(BoardError, match="took longer than 1 s and was given up"):
        install(board, make_package(tmp_path))
    assert releases(server) == left(server) == []


def test_what_a_power_cut_left_goes_with_the_next_install(
    server: Server, board: Board, tmp_path: Path
) -> None:
    install(board, make_package(tmp_path))
    cut = server.home / "qnn" / "incoming" / "abcdefgh"
    (cut / "tree").mkdir(parents=True)
    install(board, make_package(tmp_path, more=b"1"))
    assert not cut.exists()


def test_two_at_once_do_not_disturb_each_other(
    server: Server, board: Board, tmp_path: Path
) -> None:
    packages = [make_package(tmp_path, big=os.urandom(3 << 20)) for _ in range(2)]
    boards = [Board(board.machine, "qnn", tmp_path / str(number)) for number in range(2)]
    threads = [
        threading.Thread(target=install, args=pair) for pair in zip(boards, packages, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert releases(server) == sorted(package.release for package in packages)
    assert all(whole(server, package) for package in packages)
    assert left(server) == []


def test_a_lock_that_is_held_is_told(server: Server, board: Board, tmp_path: Path) -> None:
    server.program("flock", "#!/bin/sh\nexit 1\n")
    with pytest.raises(BoardError, match="another deploy holds"):
        install(board, make_package(tmp_path))
    assert releases(server) == []


def test_a_folder_that_cannot_be_written(server: Server, board: Board, tmp_path: Path) -> None:
    (server.home / "qnn").write_text("a file of the user's")
    with pytest.raises(BoardError, match=r"cannot write .*deploy_folder"):
        install(board, make_package(tmp_path))
    assert (server.home / "qnn").read_text() == "a file of the user's"


def test_a_test_set_is_sent_once(
    server: Server, board: Board, said: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "testset.npz"
    file.write_bytes(os.urandom(100_000))
    name = send_testset(board, file)
    there = server.home / "qnn" / "testsets" / f"{name}.npz"
    assert there.read_bytes() == file.read_bytes()
    said.clear()
    assert send_testset(board, file) == name == sha256(file)
    assert said == ["the test set is there already"]
    there.write_bytes(b"damaged")
    send_testset(board, file)
    assert there.read_bytes() == file.read_bytes()
    assert left(server) == []


def test_the_scripts_are_sound() -> None:
    """As they are sent: each with what all of them begin with."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    if not shellcheck.exists():
        pytest.skip("no shellcheck for this platform")
    from deploy.scripts import REMOTE, source

    names = sorted(path.stem for path in REMOTE.glob("*.sh") if path.stem != "prelude")
    assert "receive" in names
    for name in names:
        done = subprocess.run(
            [shellcheck, "-"], input=source(name), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{name}: {done.stdout}"


def test_no_other_shell_than_posix_is_needed(server: Server, board: Board, tmp_path: Path) -> None:
    """With dash, which is sh on the boards."""
    dash = shutil.which("dash")
    if dash is not None:
        server.program("sh", f'#!{dash}\nexec {dash} "$@"\n')
    install(board, make_package(tmp_path))
    assert current(server) == make_package(tmp_path).release
