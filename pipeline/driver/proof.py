"""Proves driver.py: its packing against the RTL's beats, and all of it on the Verilated shell."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.driver.golden import batch_signatures
from pipeline.errors import VerificationError
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.design import Design, Stream
from pipeline.simulation.beats import pack
from pipeline.simulation.shell import Shell

CYCLES = 400_000
"""The Verilated shell runs about so many cycles."""
FEWEST = 4
SLACK = 0.01
"""How far the II with the shell may be above that of the accelerator, as a share."""
_BASE = 0x1000_0000
_PATIENCE = 0.05
"""Seconds that a read of a register lets the simulation run."""


def load(path: Path) -> ModuleType:
    """The module of a driver.py, as a board imports it."""
    found = importlib.util.spec_from_file_location("accelerator_driver", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module  # its dataclasses look there for it
    found.loader.exec_module(module)
    return module


def require_packing(
    module: ModuleType, design: Design, images: np.ndarray, outputs: np.ndarray
) -> None:
    """Raises VerificationError unless driver.py packs and unpacks as the RTL's streams are."""
    source, sink = design.stream(design.input), design.stream(design.output)
    prepared = images.astype(module.storage_of(source.dtype.name))
    packed = module.pack(prepared, source.dtype.name, source.lanes)
    _require_equal("packs", source, pack(images, source.dtype, source.lanes), packed)
    unpacked = module.unpack(pack(outputs, sink.dtype, sink.lanes), sink.dtype.name, sink.lanes)
    _require_equal("unpacks", sink, outputs.reshape(unpacked.shape), unpacked)


def _require_equal(does: str, stream: Stream, expected: np.ndarray, found: np.ndarray) -> None:
    if np.array_equal(expected, found):
        return
    beat = int(np.flatnonzero((expected != found).any(axis=1))[0])
    raise VerificationError(
        f"driver: {does} stream {stream.edge} ({stream.lanes} x {stream.dtype.name}) otherwise "
        f"than the RTL; first: beat {beat}: RTL {expected[beat].tolist()}, driver "
        f"{found[beat].tolist()}"
    )


class _Buffer(np.ndarray):
    """The processor's view of a buffer, which flush and invalidate keep equal to the memory."""

    memory: np.ndarray
    device_address: int

    def flush(self) -> None:
        self.memory[:] = self

    def invalidate(self) -> None:
        self[:] = self.memory

    def freebuffer(self) -> None:
        """Nothing: the memory is given back as a whole."""


class VerilatedBoard:
    """Registers and buffers for the driver: the Verilated shell, and a memory of `size` bytes."""

    virtual = True

    def __init__(self, library: Path, rtl: Path, size: int) -> None:
        self._memory = np.zeros(size, np.uint8)
        self._used = 0
        self.shell = Shell(library, rtl, self._memory, _BASE)
        self.registers = self

    def read(self, offset: int) -> int:
        return self.shell.poll(offset, _PATIENCE)

    def write(self, offset: int, value: int) -> None:
        self.shell.write(offset, value)

    def allocate(self, size: int) -> _Buffer:
        start, self._used = self._used, self._used + -(-size // 4096) * 4096
        assert self._used <= self._memory.size, "the memory is as large as all buffers"
        buffer = np.zeros(size, np.uint8).view(_Buffer)
        buffer.memory = self._memory[start : start + size]
        buffer.device_address = _BASE + start
        return buffer

    def close(self) -> None:
        self.shell.close()


@dataclass(frozen=True)
class Proved:
    """What the Verilated shell showed. ii and latency: in cycles."""

    images: int
    ii: float
    latency: int


def require_on_shell(
    module: Any, folder: Path, library: Path, rtl: Path, graph: HardwareGraph,
    design: Design, beats: dict[str, np.ndarray], images: np.ndarray, outputs: np.ndarray,
) -> Proved:  # fmt: skip
    """Runs driver.py of `folder` on the Verilated shell.

    Raises VerificationError unless the outputs are the golden ones, in one batch and in many, each
    signature is the predicted one, and the DMAs keep the accelerator's II.
    """
    ii = max(design.cycles.values())
    count = min(len(images), max(FEWEST, CYCLES // ii))
    few = min(count, 2 * FEWEST + 1)
    for batch, number in ((count, count), (FEWEST, few)):
        size = sum(
            _bytes(design.stream(edge)) * batch + 8192 for edge in (design.input, design.output)
        )
        board = VerilatedBoard(library, rtl, 2 * size)
        with module.Accelerator(folder, batch=batch, board=board) as accelerator:
            found = accelerator.execute(images[:number])
            expected = outputs[:number].reshape(found.shape)
            wrong = np.flatnonzero((found != expected).reshape(number, -1).any(axis=1))
            if len(wrong):
                raise VerificationError(
                    f"driver: on the Verilated AXI shell {len(wrong)} of {number} outputs differ "
                    f"(batches of {batch}); first: image {wrong[0]}: expected "
                    f"{expected[wrong[0]].reshape(-1).tolist()}, found "
                    f"{found[wrong[0]].reshape(-1).tolist()}"
                )
            if batch == count:
                part = {edge: found[:count] for edge, found in beats.items()}
                _require_signatures(accelerator.shell.signatures(), part, graph)
                counters = accelerator.shell.counters()
            if board.shell.violation:
                raise VerificationError(f"driver: the AXI shell: {board.shell.violation}")
    proved = Proved(
        count,
        (counters["cycles_last"] - counters["cycles_first"]) / max(1, count - 1),
        counters["cycles_first"] - counters["cycles_input"],
    )
    if proved.ii > ii * (1 + SLACK):
        raise VerificationError(
            f"driver: with the AXI shell the II is {proved.ii:.1f} cycles, and the accelerator's "
            f"is {ii}: the DMAs do not keep it"
        )
    return proved


def _bytes(stream: Stream) -> int:
    return stream.beats * -(-stream.width // 8)


def _require_signatures(
    found: dict[str, int], beats: dict[str, np.ndarray], graph: HardwareGraph
) -> None:
    for edge, expected in batch_signatures(beats).items():
        if found[edge] != expected:
            raise VerificationError(
                f"driver: the signature of stream {edge} of {graph.name} is {found[edge]:#010x} on "
                f"the Verilated AXI shell, and {expected:#010x} was predicted"
            )
