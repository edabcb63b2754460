"""Tells of a board's Python, PYNQ and FPGA, in lines `@fact NAME VALUE`. Runs there as root.

Only Python 3.8 or newer is needed; what is missing is told, too.
"""

import contextlib
import mmap
import os
import platform

ROOT = os.environ.get("QNN_BOARD_ROOT", "")


def fact(name: str, value: object) -> None:
    print("@fact", name, " ".join(str(value).split()), flush=True)


def zynq_7000_code() -> int:
    """The device code of the identification register: 0xF8000530, bits 16..12."""
    page = 0xF8000000
    with open(ROOT + "/dev/mem", "rb") as memory:  # noqa: PTH123 - as short as it can be
        found = mmap.mmap(memory.fileno(), 0x1000, access=mmap.ACCESS_READ, offset=page)
        return int.from_bytes(found[0x530:0x534], "little") >> 12 & 0x1F


def memory_kib(name: str) -> int:
    with open(ROOT + "/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123
        return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def compatible() -> str:
    with open(ROOT + "/proc/device-tree/compatible", "rb") as file:  # noqa: PTH123
        return file.read().replace(b"\0", b" ").decode("ascii", "replace")


fact("uid", os.getuid())
fact("python", platform.python_version())
for variable in ("BOARD", "XILINX_XRT"):
    fact(variable.lower(), os.environ.get(variable, ""))
for name, entry in (("memory_kib", "MemAvailable"), ("cma_kib", "CmaFree")):
    with contextlib.suppress(OSError, StopIteration, ValueError):
        fact(name, memory_kib(entry))
with contextlib.suppress(OSError, ValueError):
    if "zynq-7000" in compatible():
        fact("idcode", zynq_7000_code())
try:
    import numpy

    fact("numpy", numpy.__version__)
except Exception as error:  # noqa: BLE001 - an import may fail in any way, which is a finding
    fact("numpy_error", f"{type(error).__name__}: {error}")
try:
    import pynq

    fact("pynq", pynq.__version__)
    from pynq import Device

    fact("device", Device.active_device.name)
    from pynq import Clocks

    fact("clock_mhz", Clocks.fclk0_mhz)
except Exception as error:  # noqa: BLE001 - as above
    fact("pynq_error", f"{type(error).__name__}: {error}")
