"""The registers of the AXI shell: starts the DMAs, waits for them, reads counters and errors."""

from __future__ import annotations

import time
from typing import Any

from pipeline.driver.board.bits import DONE, ERRORS, IDLE, START, STATES
from pipeline.driver.board.settings import DriverError, Settings

_MOST_ROUNDS = 100
"""So many times the signatures are read at most, until they stay the same."""


class Shell:
    """The registers of the shell, by name.

    bus: has read(offset) and write(offset, value), as pynq.MMIO has. Nothing here waits for ever.
    """

    def __init__(self, bus: Any, settings: Settings) -> None:
        self.bus = bus
        self.settings = settings

    def get(self, name: str) -> int:
        return int(self.bus.read(self.settings.registers[name]))

    def put(self, name: str, value: int) -> None:
        self.bus.write(self.settings.registers[name], int(value))

    def require_identity(self) -> None:
        """Raises DriverError unless the design in the FPGA is the one of settings.json."""
        settings, magic, abi = self.settings, self.get("magic"), self.get("abi")
        if magic != settings.magic:
            raise DriverError(
                "magic",
                f"at {settings.base_address:#x} there is no accelerator of this pipeline: its "
                f"register `magic` reads {magic:#010x}, not {settings.magic:#010x}. Another design "
                "is loaded, or the base address is wrong; program the bitfile of this package",
            )
        if abi != settings.abi:
            raise DriverError(
                "abi",
                f"the loaded accelerator has register map {abi}, and this driver knows "
                f"{settings.abi}; use the driver of the same package",
            )
        found = self.digest()
        if found != settings.digest:
            raise DriverError(
                "digest",
                f"another build of the accelerator is loaded: digest {found}, not "
                f"{settings.digest}. A stale or foreign bitfile was programmed; install this "
                "package again, and remove old files of this name from /lib/firmware",
            )
        shape = self.get("shape")
        expected = len(settings.signatures.streams) | settings.port_bits // 8 << 16
        if shape != expected:
            raise DriverError(
                "shape",
                f"register `shape` reads {shape:#x}, not {expected:#x}: settings.json does not "
                "belong to this bitfile; install the package again",
            )

    def digest(self) -> str:
        words = [self.get(f"digest_{k}") for k in range(len(self.settings.digest) // 8)]
        return b"".join(word.to_bytes(4, "little") for word in words).hex()

    def start(self, source: int, target: int, images: int) -> None:
        """Starts a batch: input from the physical address `source`, output to `target`."""
        self.require_idle()
        self.put("status", sum(1 << bit for bit in ERRORS))
        self.put_batch(source, target, images)

    def require_idle(self) -> None:
        for name in ("output", "input"):
            control = self.get(f"{name}_control")
            if not control & IDLE:
                raise DriverError(
                    "not idle",
                    f"the {name} DMA is not idle (control reads {control:#x}): another program "
                    "uses the accelerator, or one was cut off. End it, then call reset(), or "
                    "program the bitfile again",
                )

    def put_batch(self, source: int, target: int, images: int) -> None:
        for name, address in (("output", target), ("input", source)):
            self.put(f"{name}_address_low", address & 0xFFFFFFFF)
            self.put(f"{name}_address_high", address >> 32)
            self.put(f"{name}_images", images)
        # the output first, so that it waits for the first result
        self.put("output_control", START)
        self.put("input_control", START)

    def wait(self, images: int) -> None:
        """Returns when the batch is done. Raises DriverError on bus errors and after a time limit.

        The limit counts cycles of the accelerator, so it also holds where these are simulated. A
        clock that stands still is recognised by the counter.
        """
        timeouts, limit = self.settings.timeouts, self.limit_cycles(images)
        begin = moved = time.monotonic()
        deadline = begin + timeouts.least_s + limit / (1e6 * self.settings.clock_mhz)
        last = -1
        while not self.get("output_control") & (DONE | IDLE):
            self.require_no_error()
            busy, now = self.get("cycles_busy"), time.monotonic()
            if busy != last:
                last, moved = busy, now
            elif now - moved > timeouts.stall_s:
                raise DriverError(
                    "clock",
                    f"the accelerator's clock stands still: its cycle counter stays at {busy:,} "
                    f"for {timeouts.stall_s:g} s. Program the bitfile again; if it stays so, "
                    "check the clock of the programmable logic (pynq.Clocks)",
                )
            if busy > limit or now > deadline:
                raise DriverError("timeout", self._late(images, busy, now - begin))
            # the first milliseconds without a pause, since most batches take no longer
            if now - begin > 0.002:
                time.sleep(0.0005)
        self.require_no_error()

    def limit_cycles(self, images: int) -> int:
        predicted, timeouts = self.settings.predicted, self.settings.timeouts
        expected = predicted.latency_cycles + predicted.ii_cycles * images
        return int(timeouts.least_cycles + timeouts.margin * expected)

    def most_images(self) -> int:
        """The most images of a batch. More could take longer than the 32-bit counters count."""
        margin, ii = self.settings.timeouts.margin, self.settings.predicted.ii_cycles
        return max(1, int((1 << 31) / (margin * ii)))

    def _late(self, images: int, busy: int, seconds: float) -> str:
        status, done = self.get("status"), self.get("images_done")
        states = [text for bit, text in STATES.items() if status >> bit & 1]
        return (
            f"the batch did not end: {done} of {images} images were done after {busy:,} cycles "
            f"({seconds:.2f} s); allowed are {self.limit_cycles(images):,} cycles. "
            + (f"State: {' '.join(states)} " if states else "")
            + "Repeat it; if it happens again, program the bitfile again and run `diagnose`"
        )

    def require_no_error(self) -> None:
        """Raises DriverError if a DMA has recorded an error."""
        status = self.get("status")
        found = [text for bit, text in ERRORS.items() if status >> bit & 1]
        if found:
            raise DriverError(
                "dma",
                f"DMA error (status {status:#x}): {' '.join(found)} The results of this batch are "
                "lost. Repeat it; if it happens again, the memory port or the buffers' addresses "
                "are not those of this build",
            )

    def reset(self) -> None:
        """Soft reset: ends what is under way. Raises DriverError if that takes too long."""
        self.put("reset", 1)
        begin = time.monotonic()
        while self.get("reset") & 1:
            if time.monotonic() - begin > self.settings.timeouts.reset_s:
                raise DriverError(
                    "reset",
                    "The soft reset does not end: a memory access was never answered. Only "
                    "programming the bitfile again, or a restart of the board, helps",
                )
        self.put("status", sum(1 << bit for bit in ERRORS))

    def counters(self) -> dict[str, int]:
        """The cycle counters of the latest batch."""
        names = ("input", "first", "last", "busy", "empty", "full")
        found = {f"cycles_{name}": self.get(f"cycles_{name}") for name in names}
        return {**found, "images_done": self.get("images_done")}

    def speed(self, images: int) -> dict[str, float]:
        """The speed of the latest batch of so many images, by its counters; and the counters."""
        counters, hertz = self.counters(), 1e6 * self.settings.clock_mhz
        # a single image has no interval: it takes the whole time
        between, first = (images - 1, counters["cycles_first"]) if images > 1 else (1, 0)
        cycles = max(1, counters["cycles_last"] - first)
        return {
            "ii_cycles": cycles / between,
            "fps": hertz * between / cycles,
            "fps_with_dma": hertz * images / max(1, counters["cycles_busy"]),
            **counters,
        }

    def delay(self) -> dict[str, float]:
        """The time of the latest batch, of one image: in the accelerator, and with the DMAs."""
        counters, mhz = self.counters(), self.settings.clock_mhz
        inside = counters["cycles_first"] - counters["cycles_input"]
        busy = counters["cycles_busy"]
        return {
            "cycles": inside,
            "us": inside / mhz,
            "cycles_with_dma": busy,
            "us_with_dma": busy / mhz,
        }

    def signatures(self) -> dict[str, int]:
        """The signature of every stream over the latest batch; empty if built without them.

        A layer may drop the end of an image, and those beats still move when the last output has
        left. So it waits for as long as an image takes, and reads until nothing changes.
        """
        settings = self.settings
        time.sleep(settings.predicted.ii_cycles / (1e6 * settings.clock_mhz))
        found: dict[str, int] = {}
        for _ in range(_MOST_ROUNDS):
            before, found = (
                found,
                {x.edge: int(self.bus.read(x.offset)) for x in settings.signatures.streams},
            )
            if found == before:
                break
        return found
