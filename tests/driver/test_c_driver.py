"""The plain C driver: it compiles without a warning, packs as the RTL, and runs on both boards."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.driver.board import packing
from pipeline.driver.proof import VerilatedBoard, load
from pipeline.driver.render import c_driver
from pipeline.hardware import reference
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.simulation import beats, signatures
from pipeline.simulation.build_shell import build_shell
from tests.driver import fakes
from tests.driver.test_packing import NARROW, WIDE, drawn
from tests.hardware import networks

READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
SYNC = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic")
STATES = ("ok", "open", "there", "abi", "digest", "room", "aligned", "busy", "dma", "timeout",
          "clock", "reset")  # fmt: skip


class Bus(ctypes.Structure):
    _fields_ = (("context", ctypes.c_void_p), ("read", READ), ("write", WRITE))


class Memory(ctypes.Structure):
    _fields_ = (
        ("context", ctypes.c_void_p),
        ("bytes", ctypes.c_void_p),
        ("address", ctypes.c_uint64),
        ("size", ctypes.c_size_t),
        ("flush", SYNC),
        ("invalidate", SYNC),
    )


def compiled(folder: Path, settings: dict[str, Any]) -> ctypes.CDLL:
    """The C driver of these settings as a library, and its example as a program."""
    for name, text in c_driver(settings).items():
        (folder / name).write_text(text)
    (cc, *_) = filter(None, map(shutil.which, ("cc", "gcc", "clang")))
    c = [cc, *WARNINGS, "-O1"]
    sources = ["example.c", "accelerator.c"]
    subprocess.run([*c, "-o", "example", *sources], cwd=folder, check=True)
    library = folder / "accelerator.so"
    subprocess.run([*c, "-fPIC", "-shared", "-o", library, sources[1]], cwd=folder, check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.accelerator_text.restype = ctypes.c_char_p
    loaded.accelerator_signature.restype = ctypes.c_uint32
    return loaded


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


class Device:
    """The C driver on a board of Python: its registers by callbacks, one buffer as its memory."""

    def __init__(self, c: ctypes.CDLL, board: Any, size: int, offset: int = 0) -> None:
        self.c, self.board = c, board
        self.buffer = board.allocate(size)
        self._keep = (
            READ(lambda _, at: board.registers.read(at)),
            WRITE(lambda _, at, value: board.registers.write(at, value)),
            SYNC(lambda *_: self.buffer.flush()),
            SYNC(lambda *_: self.buffer.invalidate()),
        )
        read, write, flush, invalidate = self._keep
        self.self = ctypes.create_string_buffer(256)
        address = self.buffer.device_address + offset
        memory = Memory(None, self.buffer.ctypes.data, address, size, flush, invalidate)
        self.opened = STATES[c.accelerator_open(self.self, Bus(None, read, write), memory)]

    def run(self, images: np.ndarray, values: int) -> tuple[str, np.ndarray]:
        out = np.zeros((len(images), values), np.int64)
        flat = np.ascontiguousarray(images).view(np.uint8)
        count = ctypes.c_size_t(len(images))
        return STATES[self.c.accelerator_run(self.self, pointer(flat), count, pointer(out))], out


class OneBuffer(fakes.FakeBoard):
    """Its DMAs read and write anywhere in the one buffer."""

    def _run(self) -> None:
        (base, whole), *_ = self.buffers.items()
        for name in ("input", "output"):
            at = self.values[f"{name}_address_low"]
            part = whole[at - base :].view(fakes.Buffer)
            part.memory = whole.memory[at - base :]
            self.buffers[at] = part
        super()._run()
        self.buffers = {base: whole}


class Bench:
    def __init__(self, folder: Path, graph: HardwareGraph) -> None:
        self.graph, self.images = graph, networks.images(graph, 23)
        self.design = fakes.package(folder, graph, self.images)
        self.settings = json.loads((folder / "settings.json").read_text())
        self.folder = folder
        self.c = compiled(folder, self.settings)
        self.expected = reference.run(graph, self.images)[graph.sink.id].reshape(23, -1)
        self.raw = fakes.raw(graph, self.images)

    def device(self, size: int = 4096, offset: int = 0, **faults: Any) -> Device:
        board = OneBuffer(self.graph, self.design)
        for name, value in faults.items():
            setattr(board, name, value)
        return Device(self.c, board, size, offset)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("c"), networks.dense((12, 10, 6)))


@pytest.mark.parametrize("size", [160, 200, 4096])
def test_it_gives_the_reference_outputs_whatever_fits(bench: Bench, size: int) -> None:
    device = bench.device(size)
    assert device.opened == "ok"
    status, found = device.run(bench.raw, 1)
    assert status == "ok"
    np.testing.assert_array_equal(found, bench.expected)
    assert len(device.board.batches) == {160: 12, 200: 5, 4096: 1}[size]
    last = bench.images[-device.board.batches[-1] :]
    streams = {bench.graph.source.id: last, **reference.run(bench.graph, last)}
    signs = signatures.of_batch(bench.design, streams)
    told = [bench.c.accelerator_signature(device.self, k) for k in range(len(signs))]
    assert told == [*signs.values()]


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ({"hang": True}, "timeout"),
        ({"still": True}, "clock"),
        ({"error": 1}, "dma"),
        ({"hang": True, "stuck": True}, "reset"),
    ],
)
def test_a_fault_is_told(bench: Bench, faults: dict[str, Any], status: str) -> None:
    device = bench.device(**faults)
    assert device.run(bench.raw, 1)[0] == status
    if status != "reset":
        device.board.hang = device.board.still = False
        device.board.error = None
        assert device.run(bench.raw, 1)[0] == "ok"


@pytest.mark.parametrize(
    ("register", "value", "status"),
    [("magic", 0, "there"), ("abi", 2, "abi"), ("digest_3", 1, "digest")],
)
def test_another_design_is_refused(bench: Bench, register: str, value: int, status: str) -> None:
    board = OneBuffer(bench.graph, bench.design)
    board.values[register] = value
    assert Device(bench.c, board, 4096).opened == status


def test_memory_that_does_not_do_is_refused(bench: Bench) -> None:
    assert bench.device(100).opened == "room"
    assert bench.device(offset=4).opened == "aligned"


def test_a_busy_accelerator_is_not_started(bench: Bench) -> None:
    device = bench.device()
    device.board.values["output_control"] = 1
    assert device.run(bench.raw, 1)[0] == "busy"


def test_every_state_has_its_words(bench: Bench) -> None:
    texts = {bench.c.accelerator_text(k) for k in range(len(STATES))}
    assert len(texts) == len(STATES)
    assert bench.c.accelerator_text(99) == b"unknown status"


def test_the_example_says_what_is_missing(bench: Bench) -> None:
    done = subprocess.run(
        ["./example", "golden", "/dev/none"], cwd=bench.folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be opened" in done.stderr


@pytest.mark.parametrize("dtype", [*NARROW[::3], "INT7", *WIDE[::13], "INT64"])
def test_its_packing_is_that_of_the_python_driver(bench: Bench, tmp_path: Path, dtype: str) -> None:
    narrow = packing.bits_of(dtype) <= 8
    lanes = 13

    def stream(kind: str) -> dict[str, Any]:
        size = packing.bytes_of_beat(kind, lanes)
        return {"dtype": kind, "shape": [lanes], "lanes": lanes, "beats": 2, "bytes_per_beat": size}

    settings = {**bench.settings, "output": stream(dtype)}
    settings["input"] = stream(dtype if narrow else "UINT8")
    c = compiled(tmp_path, settings)
    values = drawn(dtype, 10, lanes, 0)
    if dtype == "UINT64":
        values >>= np.uint64(1)
    packed = beats.pack(values, DataType(dtype), lanes)
    if narrow:
        made = np.zeros_like(packed)
        c.accelerator_pack(pointer(values.view(np.uint8)), ctypes.c_size_t(5), pointer(made))
        np.testing.assert_array_equal(made, packed)
    found = np.zeros((10, lanes), np.int64)
    c.accelerator_unpack(pointer(packed), ctypes.c_size_t(5), pointer(found))
    np.testing.assert_array_equal(found, values)


def test_both_drivers_run_on_the_verilated_shell(bench: Bench, tmp_path: Path) -> None:
    library, rtl = tmp_path / "shell.so", bench.folder / "rtl"
    build_shell(rtl, library, tmp_path / "cache", optimise="-O0")
    board = VerilatedBoard(library, rtl, 1 << 16)
    device = Device(bench.c, board, 4096)
    assert device.opened == "ok"
    status, found = device.run(bench.raw, 1)
    assert status == "ok"
    np.testing.assert_array_equal(found, bench.expected)
    board.close()
    driver: Any = load(bench.folder / "driver.py")
    board = VerilatedBoard(library, rtl, 1 << 16)
    with driver.Accelerator(bench.folder, batch=23, board=board) as accelerator:
        assert accelerator.validate()["equal"]
        assert accelerator.diagnose()["ok"]
        assert not board.shell.violation
