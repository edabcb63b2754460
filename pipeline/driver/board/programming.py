"""Programs the FPGA through pynq, sets its clock, and gives access to registers and buffers."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.driver.board.bits import EXTENT
from pipeline.driver.board.settings import DriverError, Settings

MACHINE = {"zynq-7000": "armv7l", "zynq-us+": "aarch64"}
TOO_FAST, TOO_SLOW = 0.001, 0.01
"""How far the clock may be off, as a share: the timing holds up to the clock it was built for."""


class PynqBoard:
    """The board on which this runs.

    registers: read(offset) and write(offset, value). allocate(bytes): a buffer for the DMAs.
    program=False takes the design that is in the FPGA, which is only checked.
    """

    def __init__(self, settings: Settings, folder: Path, program: bool = True) -> None:
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="accelerator-"))
        try:
            bitfile = _read_bitfile(settings, folder)
            pynq = _pynq()
            self._device = _device(pynq)
            self.virtual = str(self._device.tag).startswith("virtual")
            self._require_board()
            if program:
                self._program(pynq, bitfile, folder)
            self.clock_mhz = self._set_clock(pynq)
            self.registers = pynq.MMIO(settings.base_address, EXTENT, device=self._device)
            self._pynq = pynq
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def allocate(self, size: int) -> Any:
        try:
            return self._pynq.allocate((size,), dtype=np.uint8, target=self._device)
        except (RuntimeError, MemoryError, OSError) as error:
            raise DriverError(
                "memory",
                f"no contiguous memory for a buffer of {size:,} bytes: {error}. Use a smaller "
                "batch, or end the programs that hold buffers",
            ) from None

    def _require_board(self) -> None:
        """Raises DriverError if the bitfile is not for this board, by all that the board tells."""
        settings = self._settings
        if settings.bitfile.kind == "simulated" and not self.virtual:
            raise DriverError(
                "simulated bitfile",
                f"{settings.bitfile.file} is a simulated bitfile: it holds Verilog for the virtual "
                "board and no FPGA configuration, because no placement and routing was done. It "
                "runs with host=virtual only; for a board, build with an engine that makes one",
            )
        machine = getattr(self._device, "arch", platform.machine())
        if machine in MACHINE.values() and machine != MACHINE[settings.family]:
            raise DriverError(
                "part",
                f"the package is for {settings.board} ({settings.part}, {settings.family}), and "
                f"this board's processor is {machine}; build for this board (board=)",
            )
        name = _board_name()
        part = settings.parts.get(name)
        if part is not None and die(part) != die(settings.part):
            raise DriverError(
                "part",
                f"the package is for {settings.board} ({settings.part}), and this board is "
                f"{name} ({part}); build for this board: board={name}",
            )

    def _program(self, pynq: Any, bitfile: bytes, folder: Path) -> None:
        """Writes the bitfile under a name of its own, and programs that file.

        pynq converts it to /lib/firmware/<name>.bin, and Linux loads that: a file of the same name
        from an earlier build must not be taken for it.
        """
        settings = self._settings
        stem = f"accelerator-{settings.bitfile.sha256[:16]}"
        path = self._folder / f"{stem}.bit"
        path.write_bytes(bitfile)
        shutil.copyfile(folder / settings.bitfile.hwh, path.with_suffix(".hwh"))
        try:
            overlay = pynq.Overlay(str(path), download=True, device=self._device)
        except (OSError, RuntimeError, ValueError) as error:
            raise DriverError(
                "program",
                f"the FPGA was not programmed: {error}. The bitfile is for {settings.part}; check "
                "that this is the board's part, that you are root, and that XILINX_XRT is set "
                "(source /etc/profile.d/*.sh)",
            ) from error
        made = getattr(overlay, "firmware_path", "")
        if made and Path(made).is_file() and Path(made).read_bytes() != _as_binary(bitfile):
            raise DriverError(
                "stale",
                f"{made} is not what {settings.bitfile.file} says: a stale file was programmed; "
                "remove it and program again",
            )

    def _set_clock(self, pynq: Any) -> float:
        """Sets the clock that the accelerator's is, or is made from; returns the accelerator's."""
        settings = self._settings
        wanted = float(settings.fclk0_mhz)
        pynq.Clocks.fclk0_mhz = wanted
        found = float(pynq.Clocks.fclk0_mhz)
        if found > wanted * (1 + TOO_FAST) or found < wanted * (1 - TOO_SLOW):
            raise DriverError(
                "clock",
                f"the clock reads {found:g} MHz after it was set to {wanted:g} MHz, for which the "
                f"accelerator was built. If the board's dividers cannot make {wanted:g} MHz, build "
                f"with clock_mhz={found:g}",
            )
        return found * float(settings.clock_mhz) / wanted


def _pynq() -> Any:
    try:
        import pynq  # noqa: PLC0415 - packing works without it
    except ImportError as error:
        raise DriverError(
            "pynq",
            f"pynq cannot be imported ({error}). Run this on the board, as root, in the "
            "environment of the PYNQ image: sudo -i, then source /etc/profile.d/*.sh",
        ) from None
    return pynq


def _device(pynq: Any) -> Any:
    try:
        return pynq.Device.active_device
    except RuntimeError as error:
        raise DriverError(
            "pynq",
            f"pynq finds no device ({error}). Run it as root with the XRT environment: sudo -i, "
            "then source /etc/profile.d/*.sh",
        ) from None


def _board_name() -> str:
    """The name that the PYNQ image has for the board; empty if it does not say."""
    try:
        text = Path("/proc/device-tree/chosen/pynq_board").read_text(encoding="ascii")
    except (OSError, ValueError):
        text = ""
    return text.strip("\0\n ") or os.environ.get("BOARD", "")


def die(part: str) -> str:
    """Device and package of a part, without speed grade: the same for each bitfile that fits."""
    return re.sub(r"^xc|-\d.*$", "", part.lower())


def _read_bitfile(settings: Settings, folder: Path) -> bytes:
    """The content of the bitfile. Raises DriverError unless it is that of settings.json."""
    path = folder / str(settings.bitfile.file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DriverError("bitfile", f"{path}: cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != settings.bitfile.sha256:
        raise DriverError(
            "bitfile",
            f"{path}: not the bitfile of this package: its SHA-256 differs from that of "
            "settings.json; install the package again",
        )
    part = bitfile_fields(content)[0].get("b", "")
    if die(part) != die(settings.part):
        raise DriverError(
            "part", f"{path}: its header says it is for {part}, and the package {settings.part}"
        )
    return content


def bitfile_fields(content: bytes) -> tuple[dict[str, str], bytes]:
    """The fields of a .bit file by letter (b: the part), and its configuration data.

    A field is a letter, a length of two bytes and that many bytes of text; the last field is "e",
    with a length of four bytes and the data.
    """
    fields = {}
    try:
        at = 2 + struct.unpack_from(">H", content, 0)[0] + 2
        while (letter := content[at : at + 1].decode("ascii")) != "e":
            (length,) = struct.unpack_from(">H", content, at + 1)
            fields[letter] = content[at + 3 : at + 3 + length].decode("ascii").rstrip("\0")
            at += 3 + length
        (length,) = struct.unpack_from(">I", content, at + 1)
        if len(content) != at + 5 + length:
            raise DriverError("bitfile", "the bitfile is cut off; install it again")
    except (struct.error, UnicodeDecodeError):
        raise DriverError("bitfile", "the bitfile has no valid header; install it again") from None
    return fields, content[at + 5 :]


def _as_binary(bitfile: bytes) -> bytes:
    """The data of a .bit file as Linux' FPGA manager takes it: the bytes of each word reversed."""
    data = bitfile_fields(bitfile)[1]
    swapped: bytes = np.frombuffer(data[: len(data) // 4 * 4], np.uint32).byteswap().tobytes()
    return swapped
