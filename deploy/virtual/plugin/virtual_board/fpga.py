"""The virtual board's FPGA: the Verilated shell of the bitfile that was loaded."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from . import faults
from .memory import BASE, Memory
from .settings import Settings

_PORT = {"zynq-7000": range(0x4000_0000, 0x8000_0000), "zynq-us+": range(0xA000_0000, 0xB000_0000)}
"""Addresses at which the processor reaches the FPGA."""
_SLAVE = 0x4000
"""Bytes of the shell's registers."""
_PATIENCE = 0.02
"""Seconds that a read of a DMA's control register lets the simulation run, if the DMA runs."""


class Fpga:
    """Configured once, and again in each process that finds it configured."""

    def __init__(self, settings: Settings, memory: Memory) -> None:
        self._settings, self._memory = settings, memory
        self._folder = Path(settings.root) / "var" / "fpga"
        self._shell: Any = None

    def registers(self, base: int, length: int) -> Registers | None:
        """The view of registers of the FPGA; None: this is no address of the FPGA."""
        port = _PORT[self._settings.family]
        if base not in port:
            return None
        if base - port.start + length > _SLAVE:
            raise OSError(errno.EFAULT, f"nothing in the FPGA answers at {base + length - 4:#x}")
        return Registers(self, base - port.start, length)

    def configure(self, payload: bytes) -> None:
        """Compiles and starts what a bitfile holds. Raises OSError as the kernel would."""
        digest = hashlib.sha256(payload).hexdigest()
        content = self._folder / digest
        if not content.exists():
            try:
                with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
                    archive.extractall(content, filter="data")
            except tarfile.TarError as error:
                raise OSError(
                    errno.EIO,
                    "not a simulated bitfile: the virtual board runs only what the package stage "
                    "makes without an engine for bitfiles",
                ) from error
        loaded = self._folder / "loaded"
        loaded.unlink(missing_ok=True)
        self._start(content)
        loaded.write_text(digest)

    @property
    def configured(self) -> bool:
        return (self._folder / "loaded").exists()

    @property
    def shell(self) -> Any:
        if self._shell is None:
            loaded = self._folder / "loaded"
            if not loaded.exists():
                raise OSError(errno.EFAULT, "bus error: the FPGA is not configured")
            self._start(self._folder / loaded.read_text())
        return self._shell

    def _start(self, content: Path) -> None:
        if self._shell is not None:
            self._shell.close()
            self._shell = None
        settings = self._settings
        flips = "bit-flip" in settings.faults
        library = content / f"shell{'-flips' if flips else ''}.so"
        if not library.exists():
            self._compile(content, library, flips)
        spec = importlib.util.spec_from_file_location("shell", settings.shell_module)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._shell = module.Shell(library, content, self._memory.bytes, BASE)
        faults.apply(self._shell, settings.faults)

    def _compile(self, content: Path, library: Path, flips: bool) -> None:
        settings = self._settings
        done = subprocess.run(
            [*settings.compiler, content, library, settings.cache, *(["flips"] if flips else [])],
            cwd=settings.repository,
            env=settings.compiler_environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OSError(errno.EIO, f"the simulated bitfile does not compile: {done.stderr}")


class Registers:
    """Words of the shell's registers, as pynq's MMIO indexes them."""

    def __init__(self, fpga: Fpga, first: int, length: int) -> None:
        self._fpga, self._first, self._words = fpga, first, length // 4

    def __len__(self) -> int:
        return self._words

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return np.array([self[k] for k in range(*index.indices(self._words))], np.uint32)
        return np.uint32(self._fpga.shell.poll(self._address(index), _PATIENCE))

    def __setitem__(self, index: int, value: int) -> None:
        self._fpga.shell.write(self._address(index), int(value))

    def _address(self, index: int) -> int:
        if not 0 <= index < self._words:
            raise IndexError(f"word {index} of {self._words}")
        return self._first + 4 * int(index)
