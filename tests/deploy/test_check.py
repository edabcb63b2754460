"""All findings on a board at once, each with what to do."""

import sys
import time
from pathlib import Path

import pytest

from deploy.check import check
from deploy.install import Board
from pipeline.errors import BoardError
from pipeline.tools.findings import Finding
from specs import catalog
from specs.board import BoardSpec
from tests.deploy.server import Server


def spec(name: str) -> BoardSpec:
    return catalog.find(BoardSpec, "board", name, Path())[1]


def furnish(server: Server, compatible: str = "xlnx,zynq-7000", code: int = 7) -> None:
    """The files of a Zynq-7000 board with PYNQ's profile."""
    for name, text in {
        "proc/device-tree/compatible": compatible + "\0",
        "proc/meminfo": "MemTotal: 500000 kB\nMemAvailable:  400000 kB\nCmaFree:  100000 kB\n",
        "etc/profile.d/boardname.sh": "export BOARD=Pynq-Z1\n",
        "etc/profile.d/xrt_setup.sh": "export XILINX_XRT=/usr\n",
    }.items():
        path = server.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    memory = server.folder / "dev" / "mem"
    memory.parent.mkdir(exist_ok=True)
    with memory.open("wb") as file:  # sparse, with the identification register
        file.seek(0xF8000530)
        file.write((0x13720093 & ~0x1F000 | code << 12).to_bytes(4, "little"))
        file.truncate(0xF8001000)


def python(server: Server, pynq: str) -> None:
    """python3 there: that of these tests, with this module as its pynq."""
    folder = server.folder / "packages"
    folder.mkdir(exist_ok=True)
    (folder / "pynq.py").write_text(pynq)
    server.program(
        "python3", f'#!/bin/sh\nPYTHONPATH="$QNN_BOARD_ROOT/packages" exec {sys.executable} "$@"\n'
    )


WHOLE = """__version__ = '3.1.2'
class Device:
    class active_device: name = 'edge'
class Clocks: fclk0_mhz = 100.0
"""


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


def test_a_board_that_is_well(server: Server, board: Board) -> None:
    furnish(server)
    python(server, WHOLE)
    found = check(board, spec("Pynq-Z1"))
    assert [finding for finding in found if finding.level != "ok"] == []
    assert set(by_name(found)) == {
        "reached", "root", "Python", "NumPy", "PYNQ", "XRT", "board", "disk", "memory",
        "memory for DMA", "FPGA clock", "time of day",
    }  # fmt: skip
    assert "xc7z020" in by_name(found)["board"].found
    assert by_name(found)["FPGA clock"].found.startswith("100 MHz now")


def test_all_that_is_wrong_is_told_at_once(server: Server, board: Board) -> None:
    furnish(server, code=0x02)
    python(server, "raise ImportError('libxrt.so.2: cannot open')")
    (server.folder / "etc/profile.d/xrt_setup.sh").unlink()
    (server.folder / "proc/meminfo").write_text("MemAvailable: 20000 kB\nCmaFree: 1000 kB\n")
    server.program("df", "#!/bin/sh\nprintf 'x\\ny 1 1 1024 1 /\\n'\n")
    server.program("date", "#!/bin/sh\necho 1000\n")
    found = by_name(check(board, spec("Pynq-Z1")))
    problems = {name for name, finding in found.items() if finding.level == "problem"}
    assert problems == {"PYNQ", "XRT", "board", "disk", "memory", "memory for DMA"}
    assert "libxrt.so.2" in found["PYNQ"].found
    assert "xc7z010" in found["board"].found
    assert "xc7z020clg400-1" in found["board"].remedy
    assert found["time of day"].level == "note"
    assert all(found[name].remedy for name in problems)


def test_another_family_is_told(server: Server, board: Board) -> None:
    furnish(server)
    python(server, WHOLE)
    found = by_name(check(board, spec("Ultra96")))
    assert found["board"].level == "problem"
    assert by_name(check(board, None))["board"].level == "ok"


SECRET = "se cret$"  # noqa: S105
SUDO = """#!/bin/sh
if [ "$1" = -n ]; then echo 'sudo: a password is required' >&2; exit 1; fi
IFS= read -r given
[ "$given" = 'se cret$' ] || exit 1
shift 3
if [ "$1" = -- ]; then shift; fi
exec "$@"
"""


def as_user(server: Server) -> None:
    """The login is no root: sudo asks for a password."""
    server.program("id", "#!/bin/sh\ncase $1 in -u) echo 1000 ;; *) echo xilinx ;; esac\n")
    server.program("sudo", SUDO)


def test_sudo_that_asks_for_a_password(server: Server, board: Board, tmp_path: Path) -> None:
    furnish(server)
    python(server, WHOLE)
    as_user(server)
    found = by_name(check(board, None))
    assert found["root"].level == "problem"
    assert "sudo=ask" in found["root"].remedy
    assert "NOPASSWD" in found["root"].remedy
    assert "PYNQ" not in found  # only root could say
    wrong = Board(board.machine, "qnn", tmp_path, password="wrong")  # noqa: S106
    assert by_name(check(wrong, None))["root"].level == "problem"
    right = Board(board.machine, "qnn", tmp_path / "right", password=SECRET)
    found = by_name(check(right, None))
    assert found["root"].level == found["PYNQ"].level == "ok"
    assert SECRET not in repr(right)
    assert not any(SECRET in command for command in server.commands)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in ("sudo", "mem"):
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_board_that_cannot_be_reached_is_no_finding_but_an_error(
    server: Server, board: Board
) -> None:
    server.refuse_keys = True
    with pytest.raises(BoardError, match=r"it refuses your key. Give it your public key once"):
        check(board, None)


def test_time_is_compared(server: Server, board: Board) -> None:
    server.program("date", f"#!/bin/sh\necho {int(time.time()) + 4000}\n")
    found = by_name(check(board, None))["time of day"]
    assert found.level == "note"
    assert "+4,0" in found.found or "+3,9" in found.found
