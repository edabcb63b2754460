"""A virtual board behaves as a board: over real SSH, with the real pynq, on the Verilated shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from deploy.check import check
from deploy.install import Board
from deploy.virtual import start
from deploy.virtual.environment import ROOT
from pipeline.errors import SpecError
from pipeline.rtl.shell.registers import MAGIC
from pipeline.tools.process import MARK
from pipeline.tools.ssh import host as ssh_host
from specs import catalog
from specs.board import BoardSpec
from tests.deploy.virtual import boards
from tests.deploy.virtual.boards import install, run, ssh
from tests.deploy.virtual.conftest import Begin

XRT = '. "$QNN_BOARD_ROOT/etc/profile.d/xrt_setup.sh"; '
DEVICES = "python3 -c 'import pynq; print(len(pynq.Device.devices))'"


@pytest.mark.parametrize(
    ("board", "version", "clock"),
    [("Pynq-Z1", "3.1", 50.0), ("Ultra96", "3.1", 49.9995), ("Ultra96", "4.0", 49.9995)],
)
def test_golden_images_run_through_pynq(
    begin: Begin, request: pytest.FixtureRequest, board: str, version: str, clock: float
) -> None:
    given: boards.Files = request.getfixturevalue(board.lower().replace("-", "_"))
    place = begin(board, version)
    install(place, given)
    found = run(place, given)
    assert found["pynq"].startswith(version)
    assert found["device"] == "virtual0"
    assert found["clock"] == clock
    assert found["magic"] == MAGIC
    assert found["digest"] == boards.shell_of(given.design).digest
    golden = list(boards.golden_signatures(given.design).values())
    for each in found["runs"]:
        assert each["done"]
        assert each["status"] == 0
        np.testing.assert_array_equal(boards.results(given, each), boards.OUTPUTS)
        assert each["signatures"] == golden


def test_a_command_finds_the_board_and_nothing_of_this_machine(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED", "secret")
    board = begin("Ultra96")
    done = ssh(board, "env; pwd; uname -m; id -u; command -v python3; cat; exit 7", b"\0\xff\n" * 9)
    assert done.returncode == 7
    assert done.stdout.endswith(b"\0\xff\n" * 9)
    assert b"PLANTED" not in done.stdout
    root = str(board.root)
    lines = done.stdout.decode(errors="replace").splitlines()
    assert f"{root}/home/xilinx" in lines
    assert "aarch64" in lines
    assert "1000" in lines
    assert f"{ROOT}/.venv-board-3.1/bin/python3" in lines
    assert not any(line.startswith("XILINX_XRT") for line in lines)


def test_files_travel_by_tar_and_by_sftp(begin: Begin, tmp_path: Path) -> None:
    board = begin()
    content = os.urandom(3_000_000)
    (tmp_path / "there").write_bytes(content)
    orders = f"put {tmp_path}/there sent\nget sent {tmp_path}/back\n"
    subprocess.run(["sftp", "-F", board.config, "-b", "-", board.alias], input=orders.encode(),
                   capture_output=True, check=True)  # fmt: skip
    assert (tmp_path / "back").read_bytes() == content
    assert ssh(board, "cat > piped; cmp piped sent", content).returncode == 0
    shown = ssh(board, "df -Pk . | tail -1 | tr -s ' ' | cut -d' ' -f4")
    assert int(shown.stdout) > 1000


def test_only_the_board_s_key_opens_it(begin: Begin, tmp_path: Path) -> None:
    board = begin()
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    text = board.config.read_text()
    for wrong in (
        text.replace(str(board.config.with_name("client_key")), str(other)),
        text.replace("User xilinx", "User root"),
    ):
        assert wrong != text
        config = tmp_path / "config"
        config.write_text(wrong)
        done = subprocess.run(["ssh", "-F", config, "-o", "BatchMode=yes", board.alias, "true"],
                              capture_output=True, check=False)  # fmt: skip
        assert done.returncode == 255
        assert b"Permission denied" in done.stderr
    assert board.config.parent.stat().st_mode & 0o777 == 0o700


def test_the_end_of_one_output_does_not_cut_the_other(begin: Begin) -> None:
    """Whichever ends first: the server broke two of three such connections, eight at a time."""
    board = begin()
    command = "seq 999; seq 9 >&2; exit 3"
    with ThreadPoolExecutor(8) as pool:
        for done in pool.map(lambda _: ssh(board, command), range(40)):
            assert done.returncode == 3, done.stderr
            assert done.stdout.split()[-1] == b"999"
            assert len(done.stderr.split()) == 9


def test_sudo_asks_for_a_password_and_loses_xrt(begin: Begin) -> None:
    board = begin()
    assert b"a password is required" in ssh(board, "sudo -n true").stderr
    wrong = ssh(board, "sudo -S -p '' true", b"a\nb\nc\n")
    assert wrong.returncode == 1
    assert b"3 incorrect password attempts" in wrong.stderr
    command = f"{XRT} echo $XILINX_XRT; sudo -S -p '' sh -c 'id -u; echo \"<$XILINX_XRT>\"; cat'"
    assert ssh(board, command, b"xilinx\nrest\n").stdout == b"/usr\n0\n<>\nrest\n"
    login = ssh(board, "sudo -S -p '' -i sh -c 'echo $XILINX_XRT $BOARD'", b"xilinx\n")
    assert login.stdout == b"/usr Pynq-Z1\n"


def test_sudo_without_a_password(begin: Begin) -> None:
    assert ssh(begin(password=None), "sudo -n id -u").stdout == b"0\n"


def test_pynq_finds_no_device_without_xrt_and_needs_root(begin: Begin) -> None:
    board = begin()
    lost = ssh(board, DEVICES)
    assert lost.stdout == b"0\n"
    assert b"is the XRT environment sourced?" in lost.stderr
    assert ssh(board, XRT + DEVICES).stdout == b"1\n"
    clock = "python3 -c 'import pynq; pynq.Clocks.fclk0_mhz'"
    assert b"Root permissions required" in ssh(board, XRT + clock).stderr


def test_a_board_keeps_files_clock_and_configuration(
    begin: Begin, pynq_z1: boards.Files, tmp_path: Path, compiled: Path
) -> None:
    with start("Pynq-Z1", folder=tmp_path / "kept", cache=compiled) as board:
        install(board, pynq_z1)
        run(board, pynq_z1)
    board = begin(folder=tmp_path / "kept")
    look = (
        "import pynq; print(pynq.Clocks.fclk0_mhz, pynq.Overlay('accelerator.bit', download=False)"
        " and hex(pynq.MMIO(0x40000040).read()))"
    )
    found = ssh(board, f'sudo -S -p "" -i python3 -c "{look}"', b"xilinx\n")
    assert found.stdout == f"50.0 {MAGIC:#x}\n".encode(), found.stderr


def test_an_fpga_that_is_not_configured_does_not_answer(begin: Begin) -> None:
    look = "import pynq; pynq.MMIO(0x40000000).read()"
    found = ssh(begin(), f'sudo -S -p "" -i python3 -c "{look}"', b"xilinx\n")
    assert b"the FPGA is not configured" in found.stderr


def test_a_bitfile_that_is_not_simulated_is_refused(begin: Begin, pynq_z1: boards.Files) -> None:
    import dataclasses

    from pipeline.packaging.bitfile import simulated

    real = simulated("xc7z020clg400-1", bytes(range(256)) * 64)
    board = begin()
    install(board, dataclasses.replace(pynq_z1, bit=real))
    done = boards.run_raw(board, pynq_z1)
    assert done.returncode != 0
    assert b"not a simulated bitfile" in done.stderr


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.environ().get(MARK, ""):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


STAY = "setsid sleep 1000 >/dev/null 2>&1 </dev/null & sleep 0.2; echo $PIPELINE_STARTED_BY"


def test_no_process_outlives_the_board(pynq: None, compiled: Path) -> None:
    with start(cache=compiled) as board:
        mark = ssh(board, STAY).stdout.decode().strip()
        assert len(mark) > 8
        assert marked(mark)
    assert not marked(mark)
    assert not psutil.pid_exists(board.server)
    assert not board.config.exists()


def test_no_process_outlives_a_starter_that_is_killed(pynq: None, tmp_path: Path) -> None:
    script = (
        "import time\nfrom deploy.virtual import start\n"
        "with start() as board:\n    print(board.config, flush=True)\n    time.sleep(100)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE,
                               text=True, env={**os.environ, "TMPDIR": str(tmp_path)})  # fmt: skip
    assert starter.stdout is not None
    config = starter.stdout.readline().strip()
    done = subprocess.run(["ssh", "-F", config, "virtual-board", STAY], capture_output=True,
                          text=True, check=True)  # fmt: skip
    mark = done.stdout.strip()
    assert marked(mark)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    end = time.monotonic() + 10
    while marked(mark) and time.monotonic() < end:
        time.sleep(0.05)
    assert not marked(mark)


def test_unknown_names_are_told() -> None:
    for arguments, what in (
        (("Pynq-Z9",), "board=Pynq-Z9: no such board; did you mean"),
        (("Pynq-Z1", "2.7"), r"pynq=2\.7: no such version; .*3\.1, 4\.0"),
        (("Pynq-Z1", "3.1", ["slow-lynk"]), "fault slow-lynk: no such fault; did you mean"),
        (("Pynq-Z1", "3.1", ["bit-flip"]), "fault bit-flip: needs a value"),
        (("Pynq-Z1", "3.1", ["slow-link=0"]), "fault slow-link=0: not such a value"),
    ):
        with pytest.raises(SpecError, match=what), start(*arguments):
            pass


@pytest.mark.parametrize("name", ["Pynq-Z1", "Ultra96"])
def test_the_check_of_boards_takes_it_for_the_board_that_it_is(
    begin: Begin, tmp_path: Path, name: str
) -> None:
    board = begin(name)
    place = Board(ssh_host(board.alias, board.config), "qnn", tmp_path)
    _, spec = catalog.find(BoardSpec, "board", name, Path())
    assert isinstance(spec, BoardSpec)
    (found,) = (finding for finding in check(place, spec) if finding.what == "board")
    assert found.level == "ok", found
