"""Drives a compiled AXI shell.

It needs numpy and the standard library only, since the virtual board loads this file by itself.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Literal

import numpy as np

Side = Literal["input", "output"]
"""The master that reads the images, or the one that writes the results."""
INPUT, OUTPUT = 0, 0x1000
"""The registers of the two DMAs begin here."""
CONTROL, ADDRESS_LOW, ADDRESS_HIGH, IMAGES = 0x00, 0x10, 0x14, 0x1C
START, DONE, IDLE = 1, 2, 4


class BusError(Exception):
    """An access to a register was not answered, or answered with an error."""


class Shell:
    """A shell, and the memory behind its two masters.

    Time only passes within calls. Two masters' accesses are in order, each with a latency of 60
    cycles and up to 16 bursts outstanding, unless `memory_speed` says otherwise.
    """

    def __init__(
        self, library: Path, folder: Path, memory: np.ndarray, base: int, seed: int = 1
    ) -> None:
        """Starts the shell, reset.

        library: what build_shell compiled. folder: holds the memory files of its design. memory:
        bytes, of which the first has the address `base`.
        """
        if memory.dtype != np.uint8 or not memory.flags.c_contiguous:
            raise ValueError("the memory is a contiguous array of bytes")
        self._c = _signatures(ctypes.CDLL(str(library)))
        self._memory = memory  # kept alive
        self._shell = self._c.shell_new(
            str(folder).encode(), memory.ctypes.data, base, memory.size, seed
        )
        if not self._shell:
            raise OSError(f"{folder}: no such folder")

    def close(self) -> None:
        if self._shell:
            self._c.shell_free(self._shell)
            self._shell = None

    def read(self, address: int) -> int:
        """The register at this offset, as the processor reads it. Raises BusError."""
        value = ctypes.c_uint32()
        self._judge(self._c.shell_read(self._shell, address, ctypes.byref(value)), address)
        return value.value

    def write(self, address: int, value: int) -> None:
        """Raises BusError."""
        self._judge(self._c.shell_write(self._shell, address, value & 0xFFFF_FFFF), address)

    def poll(self, address: int, seconds: float) -> int:
        """The register as a program that waits reads it: time passes while a DMA runs.

        The control register of a DMA that runs is read again until the DMA has ended, or for so
        many seconds of this machine's time. Raises BusError.
        """
        value = ctypes.c_uint32()
        code = self._c.shell_poll(self._shell, address, seconds, ctypes.byref(value))
        self._judge(code, address)
        return value.value

    def run(self, cycles: int) -> None:
        self._c.shell_run(self._shell, cycles)

    @property
    def cycles(self) -> int:
        """Cycles since the reset."""
        return int(self._c.shell_cycles(self._shell))

    @property
    def violation(self) -> str:
        """The first breach of the rules of AXI, or of ours for bursts; empty: none."""
        return str(self._c.shell_violation(self._shell).decode())

    def memory_speed(
        self, side: Side, latency: int = 60, stall: float = 0.0, outstanding: int = 16
    ) -> None:
        """Sets how the memory answers.

        latency: cycles from an address to its answer. stall: the chance that a cycle is lost.
        outstanding: the most bursts that are under way.
        """
        self._known(
            self._c.shell_memory(self._shell, side.encode(), latency, stall, outstanding), side
        )

    def stop_answering(self, side: Side, after: int = 0) -> None:
        """Fault: the memory answers so many more bursts, then none."""
        self._known(self._c.shell_fail(self._shell, side.encode(), after, 0), side)

    def answer_wrongly(self, side: Side, response: int) -> None:
        """Fault: the memory answers with SLVERR (2) or DECERR (3)."""
        self._known(self._c.shell_fail(self._shell, side.encode(), -1, response), side)

    def flip(self, edge: str, first: int = 0, chance: float = 1.0) -> None:
        """Fault: bit 0 of this stream's beats is wrong, from the beat `first` on, with this chance.

        Only in a shell that was compiled with flips.
        """
        self._known(self._c.shell_flip(self._shell, edge.encode(), first, chance), edge)

    def start(self, source: int, target: int, images: int) -> None:
        """Starts both DMAs, the output's first; source, target: addresses of the buffers."""
        for base, address in ((OUTPUT, target), (INPUT, source)):
            self.write(base + ADDRESS_LOW, address)
            self.write(base + ADDRESS_HIGH, address >> 32)
            self.write(base + IMAGES, images)
            self.write(base + CONTROL, START)

    def wait(self, seconds: float = 600.0) -> bool:
        """Whether the output's DMA has ended within so many seconds of this machine's time."""
        return bool(self.poll(OUTPUT + CONTROL, seconds) & (DONE | IDLE))

    def _judge(self, code: int, address: int) -> None:
        if code:
            what = {-1: "no answer", 2: "SLVERR", 3: "DECERR"}.get(code, f"response {code}")
            raise BusError(f"register {address:#x}: {what}")

    def _known(self, code: int, name: str) -> None:
        if code:
            raise ValueError(f"{name}: no such stream of this shell")


def _signatures(library: ctypes.CDLL) -> ctypes.CDLL:
    handle, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64
    word = ctypes.POINTER(ctypes.c_uint32)
    for name, result, arguments in (
        ("new", handle, (text, handle, number, number, number)),
        ("free", None, (handle,)),
        ("read", ctypes.c_int, (handle, ctypes.c_uint32, word)),
        ("write", ctypes.c_int, (handle, ctypes.c_uint32, ctypes.c_uint32)),
        ("poll", ctypes.c_int, (handle, ctypes.c_uint32, ctypes.c_double, word)),
        ("run", None, (handle, number)),
        ("cycles", number, (handle,)),
        ("violation", text, (handle,)),
        ("memory", ctypes.c_int, (handle, text, ctypes.c_int64, ctypes.c_double, number)),
        ("fail", ctypes.c_int, (handle, text, ctypes.c_int64, ctypes.c_int)),
        ("flip", ctypes.c_int, (handle, text, number, ctypes.c_double)),
    ):
        function = getattr(library, f"shell_{name}")
        function.restype, function.argtypes = result, arguments
    return library
