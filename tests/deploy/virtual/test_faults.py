"""Each fault of a virtual board has its effect, and only that."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from deploy.virtual.faults import FAULTS
from pipeline.packaging.bitfile import simulated
from tests.deploy.virtual import boards
from tests.deploy.virtual.boards import Files, install, results, run, run_raw, ssh
from tests.deploy.virtual.conftest import Begin

SHOWN = {
    "dma-hang",
    "bus-error",
    "wrong-part",
    "no-flush",
    "bit-flip",
    "stale-bitfile",
    "slow-link",
    "dropped-connection",
    "full-disk",
    "wrong-host-key",
}


def test_every_fault_has_a_test() -> None:
    assert set(FAULTS) == SHOWN


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_dma_never_ends(begin: Begin, pynq_z1: Files, side: str) -> None:
    board = begin("Pynq-Z1", "3.1", f"dma-hang={side}")
    install(board, pynq_z1)
    found = run(board, pynq_z1, limit=1)
    assert [(each["done"], each["status"]) for each in found["runs"]] == [(False, 0)] * 2


@pytest.mark.parametrize(("value", "bit"), [("input-slave", 0), ("output-decode", 3)])
def test_a_bus_error(begin: Begin, pynq_z1: Files, value: str, bit: int) -> None:
    board = begin("Pynq-Z1", "3.1", f"bus-error={value}")
    install(board, pynq_z1)
    assert run(board, pynq_z1, limit=1)["runs"][0]["status"] == 1 << bit


def test_a_wrong_part(begin: Begin, pynq_z1: Files) -> None:
    board = begin("Pynq-Z1", "3.1", "wrong-part")
    install(board, pynq_z1)
    done = run_raw(board, pynq_z1)
    assert done.returncode != 0
    assert b"Connection timed out" in done.stderr  # the words of Linux' FPGA manager
    state = ssh(board, 'cat "$QNN_BOARD_ROOT/sys/class/fpga_manager/fpga0/state"')
    assert state.stdout == b"write error\n"


def test_a_missing_flush(begin: Begin, pynq_z1: Files) -> None:
    board = begin("Pynq-Z1", "3.1", "no-flush")
    install(board, pynq_z1)
    found = run(board, pynq_z1)["runs"][0]
    assert found["done"]
    assert not np.array_equal(results(pynq_z1, found), boards.OUTPUTS)


def test_a_bit_flip_in_one_stream(begin: Begin, pynq_z1: Files) -> None:
    golden = boards.golden_signatures(pynq_z1.design)
    edges = list(golden)
    edge = edges[2]  # a flip that changes the class of some of these images
    board = begin("Pynq-Z1", "3.1", f"bit-flip={edge}")
    install(board, pynq_z1)
    first, second = run(board, pynq_z1)["runs"]
    right = [a == b for a, b in zip(first["signatures"], golden.values(), strict=True)]
    assert right.index(False) == edges.index(edge)
    assert first["signatures"] == second["signatures"]  # a flip of the design, not of the board
    assert not np.array_equal(results(pynq_z1, first), boards.OUTPUTS)


def test_flips_by_chance_make_two_runs_differ(begin: Begin, pynq_z1: Files) -> None:
    edge = next(iter(boards.golden_signatures(pynq_z1.design)))
    board = begin("Pynq-Z1", "3.1", f"bit-flip={edge}:3:.2")
    install(board, pynq_z1)
    first, second = run(board, pynq_z1)["runs"]
    assert first["signatures"][0] != second["signatures"][0]


def test_a_stale_bitfile(begin: Begin, pynq_z1: Files) -> None:
    board = begin("Pynq-Z1", "3.1", "stale-bitfile")
    install(board, pynq_z1)
    digest = run(board, pynq_z1)["digest"]
    # another bitfile of the same name: it is not even looked at
    other = simulated("xc7z020clg400-1", b"no archive at all, and 31 bytes.")
    install(board, dataclasses.replace(pynq_z1, bit=other))
    assert run(board, pynq_z1)["digest"] == digest
    # under a name of its own it would be loaded
    install(board, dataclasses.replace(pynq_z1, bit=other), "other")
    assert b"not a simulated bitfile" in run_raw(board, pynq_z1, "other").stderr


def test_a_stale_bitfile_of_any_name(begin: Begin, pynq_z1: Files) -> None:
    board = begin("Pynq-Z1", "3.1", "stale-bitfile=any")
    install(board, pynq_z1)
    digest = run(board, pynq_z1)["digest"]
    other = simulated("xc7z020clg400-1", b"no archive at all, and 31 bytes.")
    install(board, dataclasses.replace(pynq_z1, bit=other), "other")
    assert run(board, pynq_z1, "other")["digest"] == digest


def test_a_slow_link(begin: Begin) -> None:
    content = bytes(200_000)
    times = []
    for faults in ((), ("slow-link=100",)):
        board = begin("Pynq-Z1", "3.1", *faults)
        started = time.monotonic()
        assert ssh(board, "wc -c", content).stdout == b"200000\n"
        times.append(time.monotonic() - started)
    assert times[1] >= 200_000 / 100_000


def test_a_connection_that_breaks_once(begin: Begin) -> None:
    board = begin("Pynq-Z1", "3.1", "dropped-connection=100")
    assert ssh(board, "cat > small", bytes(1000)).returncode == 0
    broken = ssh(board, "cat > large", bytes(500_000))
    assert broken.returncode == 255
    assert int(ssh(board, "sleep 0.2; wc -c < large").stdout) < 500_000
    assert ssh(board, "cat > large", bytes(500_000)).returncode == 0
    assert ssh(board, "wc -c < large").stdout == b"500000\n"


def test_a_full_disk(begin: Begin) -> None:
    board = begin("Pynq-Z1", "3.1", "full-disk=100")
    left = int(ssh(board, "df -Pk . | tail -1 | tr -s ' ' | cut -d' ' -f4").stdout)
    assert 50 < left <= 100
    done = ssh(board, "cat > large", bytes(300_000))
    assert done.returncode != 0
    assert b"No space left on device" in done.stderr
    assert int(ssh(board, "wc -c < large").stdout) <= 100_000
    # nor by Python, nor by sftp
    python = "import os; print(os.write(os.open('x', 65), b'x' * 9999))"
    assert b"No space left" in ssh(board, f'python3 -c "{python}"').stderr
    assert ssh(board, "cat > /dev/null", bytes(300_000)).returncode == 0


def test_a_wrong_host_key(begin: Begin) -> None:
    done = ssh(begin("Pynq-Z1", "3.1", "wrong-host-key"), "true")
    assert done.returncode == 255
    assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
