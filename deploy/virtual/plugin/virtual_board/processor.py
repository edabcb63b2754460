"""The processor's own registers: a file for each page, so that they outlive a process."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_PAGE = 4096
_RESET = {
    # PLLs and clocks as PYNQ's images set them: processor, memory, input/output; FCLK0..3
    "zynq-7000": {
        0xF800_0100: 26 << 12,  # ARM PLL: 50 MHz x 26
        0xF800_0104: 21 << 12,  # DDR PLL
        0xF800_0108: 20 << 12,  # IO PLL: 1000 MHz
        0xF800_0120: 0x1F00_0200,  # processor: ARM PLL / 2
        0xF800_0170: 0x0020_0500,  # 1000 MHz / 5 / 2
        0xF800_0180: 0x0020_0500,
        0xF800_0190: 0x0020_0500,
        0xF800_01A0: 0x0020_0500,
    },
    "zynq-us+": {
        0xFF5E_0020: 90 << 8 | 1 << 16,  # IO PLL: 33.333 MHz x 90 / 2
        0xFF5E_0030: 90 << 8 | 1 << 16,  # RPLL
        0xFF5E_00C0: 1 << 24 | 1 << 16 | 15 << 8,  # 1500 MHz / 15 / 1
        0xFF5E_00C4: 1 << 24 | 1 << 16 | 15 << 8,
        0xFF5E_00C8: 1 << 24 | 1 << 16 | 15 << 8,
        0xFF5E_00CC: 1 << 24 | 1 << 16 | 15 << 8,
        0xFD1A_0020: 72 << 8 | 1 << 16,  # APLL: 33.333 MHz x 72 / 2
        0xFD1A_002C: 64 << 8 | 1 << 16,  # DPLL
        0xFD1A_0038: 90 << 8 | 1 << 16,  # VPLL
        0xFD1A_0060: 1 << 24 | 1 << 8,  # processor: APLL / 1
    },
}


def registers(folder: Path, base: int, length: int, family: str) -> np.ndarray:
    """The registers at an address, as words. They are plain memory with their values at reset."""
    first, last = base // _PAGE, (base + max(length, 4) - 1) // _PAGE
    if first != last:
        raise OSError(f"no device answers at {base:#x} (virtual board)")
    file = folder / f"{first * _PAGE:#x}"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        page = np.zeros(_PAGE // 4, np.uint32)
        for address, value in _RESET[family].items():
            if address // _PAGE == first:
                page[address % _PAGE // 4] = value
        page.tofile(file)
    words = np.memmap(file, np.uint32, "r+")
    start = base % _PAGE // 4
    return words[start : start + length // 4]
