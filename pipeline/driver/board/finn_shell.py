"""The registers of FINN's own Zynq shell: two DMAs, and nothing else."""

from __future__ import annotations

import time

from pipeline.driver.board.bits import DONE, IDLE
from pipeline.driver.board.settings import DriverError
from pipeline.driver.board.shell import Shell


class FinnShell(Shell):
    """FINN's shell by name of register. It has no identity, counters, errors or soft reset.

    So a batch is timed by the processor's clock, and after a time limit only programming helps.
    """

    _begin = _seconds = 0.0

    def require_identity(self) -> None:
        """Raises DriverError unless both DMAs are there and idle: more cannot be known."""
        for name in ("input", "output"):
            control = self.get(f"{name}_control")
            if control & ~0xFF or not control & (IDLE | DONE):
                raise DriverError(
                    "identity",
                    f"at {self.settings.base_address:#x} there is no idle {name} DMA of FINN (its "
                    f"control register reads {control:#x}). Another design is loaded, or a batch "
                    "was cut off; program the bitfile of this package",
                )

    def digest(self) -> str:
        return "unknown: FINN's shell has none"

    def start(self, source: int, target: int, images: int) -> None:
        self.require_idle()
        self._begin = time.monotonic()
        self.put_batch(source, target, images)

    def wait(self, images: int) -> None:
        """Returns when the batch is done. Raises DriverError after a time limit."""
        timeouts, limit = self.settings.timeouts, self.limit_cycles(images)
        seconds = timeouts.least_s + limit / (1e6 * self.settings.clock_mhz)
        while not self.get("output_control") & (DONE | IDLE):
            waited = time.monotonic() - self._begin
            if waited > seconds:
                raise DriverError(
                    "timeout",
                    f"the batch of {images} images did not end in {seconds:.2f} s, ten times what "
                    "was predicted. FINN's shell has no counters that say where it stands",
                )
            if waited > 0.002:
                time.sleep(0.0005)
        self._seconds = time.monotonic() - self._begin

    def reset(self) -> None:
        raise DriverError(
            "reset", "FINN's shell has no soft reset; program the bitfile again (program=True)"
        )

    def speed(self, images: int) -> dict[str, float]:
        return {"fps_with_dma": images / max(self._seconds, 1e-9)}

    def delay(self) -> dict[str, float]:
        return {"us_with_dma": 1e6 * self._seconds}

    def signatures(self) -> dict[str, int]:
        return {}
