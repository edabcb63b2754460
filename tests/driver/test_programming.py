"""Programming the board, on a pynq module of our own that goes wrong in each way."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.driver.proof import load
from pipeline.packaging.bitfile import simulated
from tests.driver import fakes
from tests.hardware import networks

PART = "xc7z020clg400-1"


class Pynq:
    """The names of pynq that the driver uses. firmware: what Linux loaded; None: it is not told."""

    def __init__(self, board: fakes.FakeBoard) -> None:
        self.board = board
        self.device = SimpleNamespace(tag="virtual0", arch="armv7l")
        self.Device = SimpleNamespace(active_device=self.device)
        self.Clocks = SimpleNamespace(fclk0_mhz=0.0)
        self.firmware: Path | None = None
        self.refusal: OSError | None = None
        self.programmed: list[tuple[str, bytes]] = []

    def Overlay(self, path: str, download: bool, device: Any) -> Any:  # noqa: N802 - pynq's name
        assert download
        assert Path(path).with_suffix(".hwh").read_text() == "hwh"
        if self.refusal is not None:
            raise self.refusal
        self.programmed.append((Path(path).name, Path(path).read_bytes()))
        return SimpleNamespace(firmware_path=self.firmware or "")

    def MMIO(self, base: int, length: int, device: Any) -> Any:  # noqa: N802 - pynq's name
        assert (base, length) == (0x4000_0000, 0x3000)
        return self.board

    def allocate(self, shape: tuple[int], dtype: Any, target: Any) -> Any:
        if shape[0] > 1 << 20:
            raise RuntimeError("Failed to allocate memory at CMA")
        return self.board.allocate(shape[0])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("package")
    graph = fakes.network()
    images = networks.images(graph, 8)
    design = fakes.package(folder, graph, images)
    (folder / "accelerator.hwh").write_text("hwh")
    content = simulated(PART, b"verilog!")
    (folder / "accelerator.bit").write_bytes(content)
    return SimpleNamespace(
        folder=folder, graph=graph, design=design, content=content,
        raw=fakes.raw(graph, images), driver=load(folder / "driver.py"),
    )  # fmt: skip


@pytest.fixture
def pynq(package: Any, monkeypatch: pytest.MonkeyPatch) -> Pynq:
    change(package)
    made = Pynq(fakes.FakeBoard(package.graph, package.design))
    monkeypatch.setitem(sys.modules, "pynq", made)
    monkeypatch.delenv("BOARD", raising=False)
    return made


def change(package: Any, **changes: Any) -> None:
    """Writes settings.json again, with the bitfile's checksum and these changes."""
    document = json.loads((package.folder / "settings.json").read_text())
    sha256 = hashlib.sha256(package.content).hexdigest()
    document["bitfile"] |= {"sha256": sha256, "kind": "simulated"}
    document |= {"part": PART, "family": "zynq-7000", **changes}
    (package.folder / "settings.json").write_text(json.dumps(document))


def refused(package: Any, match: str) -> str:
    with pytest.raises(package.driver.DriverError, match=match) as caught:
        package.driver.Accelerator(package.folder)
    return str(caught.value.kind)


def test_it_programs_a_file_of_its_own_and_works(package: Any, pynq: Pynq) -> None:
    with package.driver.Accelerator(package.folder) as accelerator:
        assert accelerator.validate()["equal"]
        assert accelerator.info()["clock_mhz"] == 100.0
        kept = accelerator.board._folder
        assert kept.exists()
    assert not kept.exists()
    ((name, content),) = pynq.programmed
    assert content == package.content
    assert hashlib.sha256(content).hexdigest()[:16] in name
    assert pynq.board.buffers, "its buffers are pynq's"


def test_a_loaded_design_is_used_without_programming(package: Any, pynq: Pynq) -> None:
    with package.driver.Accelerator(package.folder, program=False) as accelerator:
        assert accelerator.validate()["equal"]
    assert not pynq.programmed


def test_what_linux_loaded_is_compared_with_the_bitfile(
    package: Any, pynq: Pynq, tmp_path: Path
) -> None:
    pynq.firmware = tmp_path / "accelerator.bin"
    pynq.firmware.write_bytes(package.driver._as_binary(package.content))
    package.driver.Accelerator(package.folder).close()
    pynq.firmware.write_bytes(b"of last week")
    assert refused(package, "a stale file was programmed") == "stale"


def test_a_changed_bitfile_is_refused_before_the_board_is_touched(package: Any, pynq: Pynq) -> None:
    path = package.folder / "accelerator.bit"
    path.write_bytes(package.content + b"x")
    try:
        assert refused(package, "its SHA-256 differs") == "bitfile"
    finally:
        path.write_bytes(package.content)
    assert not pynq.programmed


@pytest.mark.parametrize(
    ("name", "arch", "match"),
    [
        ("Ultra96", "armv7l", "this board is Ultra96"),
        ("", "aarch64", "this board's processor is aarch64"),
    ],
)
def test_another_board_is_refused(
    package: Any, pynq: Pynq, monkeypatch: pytest.MonkeyPatch, name: str, arch: str, match: str
) -> None:
    monkeypatch.setenv("BOARD", name)
    pynq.device.arch = arch
    assert refused(package, match) == "part"
    assert not pynq.programmed


def test_a_board_with_the_same_part_is_taken(
    package: Any, pynq: Pynq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOARD", "Pynq-Z2")
    package.driver.Accelerator(package.folder).close()


def test_a_bitfile_of_another_part_is_refused(package: Any, pynq: Pynq) -> None:
    change(package, part="xczu3eg-sbva484-1-e")
    assert refused(package, "its header says it is for 7z020clg400-1") == "part"


def test_a_simulated_bitfile_is_refused_on_a_real_board(package: Any, pynq: Pynq) -> None:
    pynq.device.tag = "embedded_xrt0"
    assert refused(package, "runs with host=virtual only") == "simulated bitfile"
    assert not pynq.programmed


def test_a_board_that_refuses_the_bitfile_is_told(package: Any, pynq: Pynq) -> None:
    pynq.refusal = TimeoutError(110, "Connection timed out")
    assert refused(package, "was not programmed: .*timed out.* is for xc7z020clg400-1") == "program"


@pytest.mark.parametrize(
    ("reads", "right"), [(99.999, True), (99.5, True), (100.2, False), (50.0, False)]
)
def test_the_clock_is_read_back(package: Any, pynq: Pynq, reads: float, right: bool) -> None:
    class Clocks:
        fclk0_mhz = property(lambda _: reads, lambda _, value: wanted.append(value))

    wanted: list[float] = []
    pynq.Clocks = Clocks()  # type: ignore[assignment]
    if right:
        package.driver.Accelerator(package.folder).close()
    else:
        assert refused(package, f"the clock reads {reads:g} MHz after") == "clock"
    assert wanted == [100.0]


def test_too_large_a_buffer_is_told(package: Any, pynq: Pynq) -> None:
    with (
        package.driver.Accelerator(package.folder, batch=100_000) as accelerator,
        pytest.raises(package.driver.DriverError, match="Use a smaller batch"),
    ):
        accelerator.execute(package.raw)


def test_without_pynq_it_says_where_to_run(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    change(package)
    monkeypatch.setitem(sys.modules, "pynq", None)
    assert refused(package, "sudo -i") == "pynq"


@pytest.mark.parametrize(
    ("text", "match"),
    [("", "not valid JSON"), ("[]", "schema_version is None"), ('{"schema_version": 9}', "9")],
)
def test_settings_of_another_version_are_refused(
    package: Any, tmp_path: Path, text: str, match: str
) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(package.driver.DriverError, match=match):
        package.driver.Accelerator(tmp_path)


def test_a_bitfile_without_a_header_is_refused(package: Any) -> None:
    for content in (b"", b"\x00", package.content[:20], b"\x00\x02ab\x00\x01\xff\x00\x01"):
        with pytest.raises(package.driver.DriverError, match="no valid header"):
            package.driver.bitfile_fields(content)
    assert np.frombuffer(package.driver._as_binary(package.content), np.uint8).size == 8
