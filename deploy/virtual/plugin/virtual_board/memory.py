"""The virtual board's memory: what the FPGA sees, and the processor's cached view of it."""

from __future__ import annotations

import mmap

import numpy as np

BASE, BYTES = 0x1000_0000, 256 << 20
"""The memory for buffers, which both families have at an address of 32 bits."""
_ALIGN, _LEAST = 4096, 8192  # as pynq asks XRT for


class Buffer:
    """A buffer object as XRT has them: the processor's view is a copy until it is synchronised."""

    def __init__(self, memory: Memory, address: int, size: int) -> None:
        self._memory, self._address, self._size = memory, address, size
        self._device = memory.bytes[address - BASE : address - BASE + size]
        self._host = np.zeros(size, np.uint8)

    def map(self) -> memoryview:
        return self._host.data

    def size(self) -> int:
        return self._size

    def address(self) -> int:
        return self._address

    def to_device(self) -> None:
        if self._memory.flushes:
            self._device[:] = self._host

    def from_device(self) -> None:
        self._host[:] = self._device

    def free(self) -> None:
        self._memory.give_back(self._address)


class Memory:
    """flushes: False is the fault that what the processor wrote never reaches the memory."""

    def __init__(self, flushes: bool = True) -> None:
        self.flushes = flushes
        self._map = mmap.mmap(-1, BYTES)  # no page exists before it is used
        self.bytes = np.frombuffer(self._map, np.uint8)
        self._taken: dict[int, int] = {}

    def allocate(self, size: int) -> Buffer:
        """A buffer in the first gap that is large enough. Raises RuntimeError as pynq does."""
        need = -(-max(size, _LEAST) // _ALIGN) * _ALIGN
        start = BASE
        for address in sorted(self._taken):
            if address - start >= need:
                break
            start = address + self._taken[address]
        if start + need > BASE + BYTES:
            raise RuntimeError("BO allocation failed: Cannot allocate memory")
        self._taken[start] = need
        return Buffer(self, start, max(size, _LEAST))

    def give_back(self, address: int) -> None:
        self._taken.pop(address, None)
