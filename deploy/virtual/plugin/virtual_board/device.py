"""The virtual board as pynq sees it: pynq's own device for boards, on other hardware.

pynq parses the bitfile and the hwh, keeps its books and does its checks with its own code. Only
what reaches for hardware is replaced: registers, buffers, and the configuration of the FPGA.
"""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pynq.pl_server.device import Device
from pynq.pl_server.embedded_device import (
    EmbeddedDevice,
    EmbeddedXrtMemory,
    _get_bitstream_handler,
    parse_bit_header,
)

from .fpga import Fpga
from .memory import Buffer, Memory
from .processor import registers
from .settings import Settings, load


class VirtualMemory(EmbeddedXrtMemory):  # type: ignore[misc]
    """pynq's memory; its buffers come back to it, since there is nothing to unmap."""

    def allocate(self, shape: Any, dtype: Any, **options: Any) -> Any:
        buffer = super().allocate(shape, dtype, cache=self, **options)
        buffer.freed = True  # of its mapping: what is left to free is given back to this object
        return buffer

    def return_pointer(self, pointer: tuple[Buffer, memoryview, int]) -> None:
        pointer[0].free()


class VirtualDevice(EmbeddedDevice):  # type: ignore[misc]
    """Comes before pynq's own device by its priority."""

    _probe_priority_ = 10
    name = "edge"

    @classmethod
    def _probe_(cls) -> list[VirtualDevice]:
        return [cls()]

    def __init__(self) -> None:
        Device.__init__(self, "virtual0")
        self.settings: Settings = load()
        self.root = Path(self.settings.root)
        manager = self.root / "sys/class/fpga_manager/fpga0"
        self.BS_FPGA_MAN = str(manager / "firmware")
        self.BS_FPGA_MAN_FLAGS = str(manager / "flags")
        self.capabilities: Mapping[str, bool] = {
            "REGISTER_RW": False,
            "MEMORY_MAPPED": True,
            "CALLABLE": False,
        }
        self.arch = platform.machine()
        self._streams: dict[int, Any] = {}
        self.memory = Memory(flushes="no-flush" not in self.settings.faults)
        self.fpga = Fpga(self.settings, self.memory)
        self._part: str | None = None
        self._stale = self.settings.faults.get("stale-bitfile")

    # ---- registers

    def mmap(self, base_addr: int, length: int) -> Any:
        self._need_root()
        if (found := self.fpga.registers(base_addr, length)) is not None:
            return found
        return registers(self.root / "var" / "processor", base_addr, length, self.settings.family)

    def _need_root(self) -> None:
        if os.environ.get("QNN_BOARD_IS_ROOT") != "1":
            raise OSError("Root permissions required.")  # pynq's own words

    # ---- buffers

    @property
    def default_memory(self) -> VirtualMemory:
        if not hasattr(self, "mem_dict"):
            raise RuntimeError("Overlay is not downloaded")  # pynq's own words
        memory: VirtualMemory = super().default_memory
        return memory

    def get_memory(self, description: Mapping[str, Any]) -> VirtualMemory:
        return VirtualMemory(self, description)

    def allocate_bo(self, size: int, idx: int, cacheable: int) -> Buffer:
        return self.memory.allocate(size)

    def flush(self, bo: Buffer, offset: int, ptr: int, size: int) -> None:
        bo.to_device()

    def invalidate(self, bo: Buffer, offset: int, ptr: int, size: int) -> None:
        bo.from_device()

    # ---- configuration

    def download(self, bitstream: Any, parser: Any = None) -> None:
        self._need_root()
        self._part = None
        if str(bitstream.bitfile_name).endswith(".bit"):
            header = parse_bit_header(Path(bitstream.bitfile_name).read_bytes())
            self._part = header["part"]
        if not bitstream.binfile_name:
            self._keep_binary(bitstream, parser)
        super().download(bitstream, parser)

    def _keep_binary(self, bitstream: Any, parser: Any) -> None:
        """Writes the .bin that the kernel loads, as pynq does, but into this board's folder."""
        data = getattr(parser, "bin_data", None)
        if data is None:
            data = _get_bitstream_handler(bitstream.bitfile_name).get_bin_data()
        bitstream.binfile_name = Path(bitstream.bitfile_name).stem + ".bin"
        bitstream.firmware_path = self.root / "lib/firmware" / bitstream.binfile_name
        if self._stale == "name" and bitstream.firmware_path.exists():
            return  # the old one stays, and nobody is told
        bitstream.firmware_path.write_bytes(data)

    def set_axi_port_width(self, parser: Any) -> None:
        # the firmware's name has just been written: now the kernel would configure the FPGA
        firmware = self.root / "lib/firmware" / Path(self.BS_FPGA_MAN).read_text()
        state = Path(self.BS_FPGA_MAN).with_name("state")
        if self._part is not None and not _same_part(self._part, self.settings.part):
            state.write_text("write error\n")
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if self._stale == "any" and self.fpga.configured:
            return
        try:
            words = np.frombuffer(firmware.read_bytes(), "i4").byteswap()
            self.fpga.configure(words.tobytes())
        except OSError:
            state.write_text("write error\n")
            raise
        state.write_text("operating\n")
        super().set_axi_port_width(parser)

    def _xrt_download(self, data: bytes) -> None:
        """Tells XRT which memories there are; there is no XRT here."""

    def shutdown(self) -> None:
        """Stops the shutdown managers of the design before; ours has none."""

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:
        """Keeps parsed metadata in pynq's own folder, which several virtual boards share."""


def _same_part(header: str, board: str) -> bool:
    """A bitfile's part may lack the "xc" and the speed grade: "7z020clg400" is xc7z020clg400-1."""
    short, long = (name.lower().removeprefix("xc").replace("-", "") for name in (header, board))
    return bool(short) and long.startswith(short)
