"""What cocotb runs in the simulator: batches through the shell, with an AXI model not ours."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiRamRead,
    AxiRamWrite,
    AxiReadBus,
    AxiResp,
    AxiWriteBus,
)

from pipeline.rtl.shell import registers
from pipeline.rtl.shell.registers import BY_NAME

TOLD: dict[str, Any] = json.loads(Path(os.environ["SHELL_BENCH"]).read_text())
PORT: int = TOLD["port_bytes"]
POOL = [(bytes.fromhex(image), bytes.fromhex(result)) for image, result in TOLD["pool"]]
IN_BYTES, OUT_BYTES = len(POOL[0][0]), len(POOL[0][1])
MEMORY = 1 << 16
HALF = MEMORY // 2
GUARD = 256
PATIENCE = 1000
"""Cycles that 8 bursts of 16 words may take with stalls and latency."""
START, DONE, IDLE = (1 << bit for bit in (registers.START, registers.DONE, registers.IDLE))


class Failed(Exception):
    """What the memory answers with an error."""


class Faults:
    """Addresses at which the memory fails, and with which answer."""

    def __init__(self) -> None:
        self.at: dict[int, AxiResp] = {}
        self.answer = AxiResp.SLVERR

    def check(self, address: int, length: int) -> None:
        for bad, answer in self.at.items():
            if address <= bad < address + length:
                self.answer = answer
                raise Failed


class Reads(AxiRamRead):  # type: ignore[misc]
    faults: Faults

    async def _read(self, address: int, length: int) -> bytes:
        self.faults.check(address % MEMORY, length)
        return bytes(await super()._read(address, length))


class Writes(AxiRamWrite):  # type: ignore[misc]
    faults: Faults

    async def _write(self, address: int, data: bytes) -> None:
        self.faults.check(address % MEMORY, len(data))
        await super()._write(address, data)


@dataclass(frozen=True)
class Batch:
    """Images of the pool, where they and their results lie, and which DMA starts first."""

    images: Sequence[tuple[bytes, bytes]]
    source: int
    target: int
    output_first: bool = True

    @property
    def count(self) -> int:
        return len(self.images)


def drawn(rng: random.Random, most: int = 12, least: int = 1) -> Batch:
    """A random batch; its buffers often end at, or just beyond, a boundary of 4 KiB."""
    most = max(1, min(most, HALF // 2 // IN_BYTES, HALF // 2 // OUT_BYTES))
    images = rng.choices(POOL, k=rng.randint(min(least, most), most))
    high = rng.randrange(1 << TOLD["address_bits"] - 16) << 16

    def place(start: int, size: int) -> int:
        room = HALF - 2 * GUARD - size
        at = rng.randrange(0, room)
        if rng.random() < 0.5:
            at = max(0, (at + size) // 4096 * 4096 - size + rng.randint(0, 2 * PORT))
        return start + GUARD + min(at, room) // PORT * PORT

    source = high + place(0, IN_BYTES * len(images))
    target = high + place(HALF, OUT_BYTES * len(images))
    return Batch(images, source, target, rng.random() < 0.5)


class Bench:
    """The shell between a processor and 64 KiB of memory, which repeat all over the addresses."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.faults = Faults()
        clock, reset = dut.clk, dut.rst_n
        self.bus = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi_control"), clock, reset, reset_active_level=False
        )
        self.reads = Reads(
            AxiReadBus.from_prefix(dut, "m_axi_input"), clock, reset, False, size=MEMORY
        )
        self.writes = Writes(
            AxiWriteBus.from_prefix(dut, "m_axi_output"), clock, reset, False, size=MEMORY,
            mem=self.reads.mem,
        )  # fmt: skip
        self.memory = self.reads.mem
        for model in (self.reads, self.writes):
            model.faults = self.faults
        for channel, name in ((self.reads.r_channel, "rresp"), (self.writes.b_channel, "bresp")):
            self._answer(channel, name)

    def _answer(self, channel: Any, name: str) -> None:
        """The model knows only SLVERR: here that becomes the answer that was asked for."""
        send = channel.send

        async def answered(transfer: Any) -> None:
            if getattr(transfer, name) == AxiResp.SLVERR:
                setattr(transfer, name, self.faults.answer)
            await send(transfer)

        channel.send = answered

    async def start(self) -> None:
        self.dut.latency.value = 0
        self.dut.lazy.value = 0
        Clock(self.dut.clk, 10, unit="ns").start()
        self.dut.rst_n.value = 0
        await ClockCycles(self.dut.clk, 3)
        self.dut.rst_n.value = 1
        await ClockCycles(self.dut.clk, 2)

    def stall(self, rng: random.Random, most: float) -> None:
        """Each channel stalls with a probability of its own; 0 for none."""
        self.dut.lazy.value = int(most > 0)
        channels = (
            self.reads.ar_channel, self.reads.r_channel,
            self.writes.aw_channel, self.writes.w_channel, self.writes.b_channel,
            self.bus.write_if.aw_channel, self.bus.write_if.w_channel,
            self.bus.write_if.b_channel, self.bus.read_if.ar_channel, self.bus.read_if.r_channel,
        )  # fmt: skip
        for channel in channels:
            share = rng.uniform(0, most) if most else 0
            channel.set_pause_generator(_stalls(rng.getrandbits(32), share) if share else None)
            if not share:
                channel.pause = False

    async def write(self, name: str, value: int) -> None:
        await self.bus.write(BY_NAME[name].offset, value.to_bytes(4, "little"))

    async def read(self, name: str) -> int:
        answer = await self.bus.read(BY_NAME[name].offset, 4)
        return int.from_bytes(answer.data, "little")

    async def set(self, which: str, address: int, images: int) -> None:
        await self.write(f"{which}_address_low", address & 0xFFFFFFFF)
        await self.write(f"{which}_address_high", address >> 32)
        await self.write(f"{which}_images", images)

    async def wait(self, which: str, cycles: int = 60_000) -> None:
        for _ in range(cycles // 20):
            if await self.read(f"{which}_control") & DONE:
                return
            await ClockCycles(self.dut.clk, 10)
        raise AssertionError(f"{which}: not done; status {await self.read('status'):#x}")

    async def begin(self, batch: Batch) -> None:
        """Puts the images into memory and starts both DMAs."""
        start = batch.source % MEMORY
        self.memory[start : start + IN_BYTES * batch.count] = b"".join(i for i, _ in batch.images)
        start = batch.target % MEMORY - GUARD
        self.memory[start : start + OUT_BYTES * batch.count + 2 * GUARD] = b"\xa5" * (
            OUT_BYTES * batch.count + 2 * GUARD
        )
        await self.set("input", batch.source, batch.count)
        await self.set("output", batch.target, batch.count)
        for which in ("output", "input") if batch.output_first else ("input", "output"):
            await self.write(f"{which}_control", 1)

    async def require(self, batch: Batch, again: bool = False) -> None:
        """Runs a batch: the results are in memory, nothing else is, and the counters are right.

        again: starts the output DMA once more while it runs, which must do nothing.
        """
        await self.begin(batch)
        if again:
            await ClockCycles(self.dut.clk, 60)
            await self.write("output_control", START)
        await self.wait("output")
        start = batch.target % MEMORY - GUARD
        expected = b"".join(result for _, result in batch.images)
        assert bytes(self.memory[start : start + len(expected) + 2 * GUARD]) == (
            b"\xa5" * GUARD + expected + b"\xa5" * GUARD
        ), batch
        assert await self.read("images_done") == batch.count
        assert await self.read("input_control") & (DONE | IDLE) == DONE | IDLE
        assert await self.read("status") & 0xFF == 0
        names = ("cycles_input", "cycles_first", "cycles_last", "cycles_busy")
        counts = [await self.read(name) for name in names]
        assert 0 < counts[0] <= counts[1] <= counts[2] < counts[3], counts
        assert (counts[1] == counts[2]) == (batch.count == 1), counts
        for name in ("cycles_empty", "cycles_full"):
            assert await self.read(name) < counts[3]
        self.sound()

    def sound(self) -> None:
        """No rule of AXI was broken so far."""
        broken = int(self.dut.broken.value)
        assert not broken, f"rules of axi_checker.v: {[k for k in range(16) if broken >> k & 1]}"


def _stalls(seed: int, share: float) -> Iterator[bool]:
    rng = random.Random(seed)
    # bursts of stalls, now and then a long one
    while True:
        stop = rng.random() < share
        yield from itertools.repeat(stop, rng.choice([1, 1, 2, 5]) if stop else 1)


async def ready(dut: Any) -> Bench:
    bench = Bench(dut)
    await bench.start()
    return bench


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def identity(dut: Any) -> None:
    """What never changes, what is written and read back, and what is not there."""
    bench = await ready(dut)
    assert await bench.read("magic") == registers.MAGIC
    assert await bench.read("abi") == registers.ABI
    digest = [await bench.read(f"digest_{k}") for k in range(registers.DIGEST_WORDS)]
    assert b"".join(word.to_bytes(4, "little") for word in digest).hex() == TOLD["digest"]
    assert await bench.read("shape") == len(TOLD["golden"]) | PORT << 16
    assert await bench.read("status") == await bench.read("reset") == 0
    high = (1 << TOLD["address_bits"] - 32) - 1
    for k, which in enumerate(("input", "output")):
        assert await bench.read(f"{which}_control") == IDLE
        await bench.set(which, 0x5A5A_5A5A_1234_5670 + k, 7 + k)
        await bench.bus.write(BY_NAME[f"{which}_images"].offset, b"\x55")  # one byte: no write
    for k, which in enumerate(("input", "output")):
        assert await bench.read(f"{which}_address_low") == 0x1234_5670 + k
        assert await bench.read(f"{which}_address_high") == 0x5A5A_5A5A & high
        assert await bench.read(f"{which}_images") == 7 + k
    named = {register.offset for register in registers.REGISTERS}
    named |= {registers.signature_offset(k) for k in range(len(TOLD["golden"]))}
    for offset in {
        *range(0, 0x100, 4),
        *range(0x1000, 0x1100, 4),
        0x2100,
        0x2FFC,
        0x3000,
        0x3FFC,
    } - named:
        assert int.from_bytes((await bench.bus.read(offset, 4)).data, "little") == 0, hex(offset)


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def batches(dut: Any) -> None:
    """One after the other, with all kinds of stalls and latencies, wherever they lie."""
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = await ready(dut)
    for k in range(18):
        bench.stall(rng, (0, 0.3, 0.9)[k % 3])
        dut.latency.value = rng.choice([0, 5, 60])
        await bench.require(drawn(rng))
    # results wait for the memory, and images for the results
    bench.stall(rng, 0)
    dut.latency.value = 0
    bench.writes.w_channel.set_pause_generator(_stalls(1, 0.9))
    await bench.require(drawn(rng, most=120, least=60), again=True)
    if OUT_BYTES * 60 > 64 * PORT:
        assert await bench.read("cycles_full") > 0


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def refusals(dut: Any) -> None:
    """A batch that cannot be is done at once, and says why; the next one is right."""
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = await ready(dut)
    for which, bit in (("input", 4), ("output", 5)):
        for offset in (1, PORT // 2, PORT - 1):
            await bench.set(which, 0x1000 + offset, 1)
            await bench.write(f"{which}_control", START)
            assert await bench.read(f"{which}_control") == DONE | IDLE
            assert await bench.read(f"{which}_control") == IDLE
            assert await bench.read("status") == 1 << bit
            await bench.write("status", ~(1 << bit) & 0xFF)
            assert await bench.read("status") == 1 << bit
            await bench.write("status", 1 << bit)
            assert await bench.read("status") == 0
        await bench.set(which, 0x1000, 0)
        await bench.write(f"{which}_control", START)
        assert await bench.read(f"{which}_control") == DONE | IDLE
        assert await bench.read("status") == 0
    assert int(dut.most_reads.value) == int(dut.most_writes.value) == 0
    await bench.require(drawn(rng))


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def errors(dut: Any) -> None:
    """An error of the memory is reported, however early or late, and ends nothing early."""
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = await ready(dut)
    for k in range(12):
        bench.stall(rng, 0.3 * (k % 2))
        batch = drawn(rng)
        start, size, bit = (
            (batch.source, IN_BYTES * batch.count, 0),
            (batch.target, OUT_BYTES * batch.count, 2),
        )[k // 2 % 2]
        at = start + rng.choice([0, size - 1, rng.randrange(size)])
        answer = rng.choice([AxiResp.SLVERR, AxiResp.DECERR])
        bench.faults.at = {at % MEMORY: answer}
        await bench.begin(batch)
        await bench.wait("input")
        await bench.wait("output")
        bench.faults.at = {}
        seen = 1 << bit + (answer == AxiResp.DECERR)
        assert await bench.read("status") & 0xFF == seen, (batch, at)
        await bench.write("status", seen)
        await bench.require(drawn(rng))


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def resets(dut: Any) -> None:
    """At any moment, also while the memory answers nothing: no burst is left, and all is as new.

    It waits for the bursts that are under way, and for no others.
    """
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = await ready(dut)
    for k in range(12):
        bench.stall(rng, 0.5 * (k % 2))
        dut.latency.value = rng.choice([0, 60])
        await bench.begin(drawn(rng, most=400))
        await ClockCycles(dut.clk, rng.choice([rng.randint(1, 100), rng.randint(100, 1000)]))
        hangs = k % 4 == 3  # for a while
        if hangs:
            for channel in (bench.reads.ar_channel, bench.writes.aw_channel):
                channel.set_pause_generator(itertools.repeat(True))
            await ClockCycles(dut.clk, 50)
        await bench.write("reset", 1)
        if hangs:
            await ClockCycles(dut.clk, 100)
            bench.stall(rng, 0)
        for _ in range(PATIENCE // 8):  # a read takes some eight cycles
            if not await bench.read("reset"):
                break
        else:
            raise AssertionError("the reset does not end, or not until the batch has ended")
        assert await bench.read("input_control") == await bench.read("output_control") == IDLE
        bench.sound()
        await bench.require(drawn(rng))


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def signatures(dut: Any) -> None:
    """A start of the input DMA restarts them; they are those of the streams' reference."""
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = await ready(dut)
    for k in range(3):
        await bench.require(drawn(rng))
        await bench.require(Batch(POOL, GUARD, HALF + GUARD, bool(k % 2)))
        for number, golden in enumerate(TOLD["golden"]):
            answer = await bench.bus.read(registers.signature_offset(number), 4)
            assert int.from_bytes(answer.data, "little") == golden, number


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def rate(dut: Any) -> None:
    """The DMAs keep the accelerator's II, with a memory that takes 60 cycles to answer."""
    rng = random.Random(cocotb.RANDOM_SEED)
    bench = await ready(dut)
    dut.latency.value = 60
    count = max(2, min(60, HALF // 2 // max(IN_BYTES, OUT_BYTES)))
    batch = Batch(rng.choices(POOL, k=count), GUARD, HALF + GUARD)
    await bench.require(batch)
    cycles = await bench.read("cycles_last") - await bench.read("cycles_first")
    interval = max(TOLD["interval"], IN_BYTES / PORT, OUT_BYTES / PORT)
    assert cycles / (count - 1) <= 1.01 * interval + 1, (cycles / (count - 1), interval)
    assert 2 <= int(dut.most_reads.value) <= 8 or count * IN_BYTES <= 16 * PORT
