"""The register map of the shell: the one table that RTL, drivers, hwh, virtual board and docs read.

The offsets of the two DMAs are those of FINN's IODMA, so that FINN's own driver works with our
bitfile. It ignores what lies at 0x40 and above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MAGIC = 0x514E4E46
"""Identification of this shell: "QNNF" in ASCII."""
ABI = 1
"""Version of this table. A driver refuses a shell of another version."""
PAGE = 0x1000
"""Each DMA has a page of its own, as in FINN's shell; the signatures have the third."""
INPUT, OUTPUT, SIGNATURES = 0, PAGE, 2 * PAGE
SLAVES = (
    ("idma0", "idma", INPUT),
    ("odma0", "odma", OUTPUT),
    ("signatures0", "signatures", SIGNATURES),
)
"""Name, kind and page of each part, as pynq finds them. FINN's driver knows idma0 and odma0."""
ADDRESS_BITS = 14
"""Bits of the address of the AXI4-Lite slave: four pages, of which the last is empty."""
BASE = {"zynq-7000": 0x4000_0000, "zynq-us+": 0xA000_0000}
"""Address of the slave in the processor's memory, by family."""
DIGEST_WORDS = 4
MOST_SIGNATURES = PAGE // 4

Access = Literal["read", "write", "read/write", "read, cleared by reading", "write 1 to clear"]


@dataclass(frozen=True)
class Register:
    """A register of 32 bits. bits: the meaning of single bits, by number; empty: one number."""

    offset: int
    name: str
    access: Access
    meaning: str
    bits: tuple[tuple[int, str, str], ...] = ()


START, DONE, IDLE = 0, 1, 2


def _dma(page: int, prefix: str, what: str, done: str) -> tuple[Register, ...]:
    return (
        Register(
            page,
            f"{prefix}_control",
            "read/write",
            f"Starts the {what} DMA and tells its state.",
            (
                (START, "start", "Write 1 to start. Reads 1 while the DMA runs."),
                (DONE, "done", f"{done} Reading this register clears it."),
                (IDLE, "idle", "The DMA does not run."),
            ),
        ),
        Register(
            page + 0x10,
            f"{prefix}_address_low",
            "read/write",
            "Bits 31..0 of the buffer's address. A multiple of the memory port's bytes.",
        ),
        Register(
            page + 0x14,
            f"{prefix}_address_high",
            "read/write",
            "Bits 63..32 of it. Only as many exist as the family's addresses have.",
        ),
        Register(page + 0x1C, f"{prefix}_images", "read/write", "Images of the batch."),
    )


REGISTERS = (
    *_dma(INPUT, "input", "input", "The last word of the batch has been read."),
    Register(0x40, "magic", "read", f'"QNNF", {MAGIC:#010x}: this is our shell.'),
    Register(0x44, "abi", "read", f"Version of this table: {ABI}."),
    *(
        Register(
            0x48 + 4 * k,
            f"digest_{k}",
            "read",
            f"Bytes {4 * k} to {4 * k + 3} of the SHA-256 of the design, first byte lowest.",
        )
        for k in range(DIGEST_WORDS)
    ),
    Register(
        0x58,
        "shape",
        "read",
        "Bits 15..0: number of signatures (0: built without). Bits 23..16: bytes of the memory "
        "port.",
    ),
    Register(
        0x5C,
        "reset",
        "read/write",
        "Write 1 for a soft reset: both DMAs finish the bursts that are under way, then they and "
        "the accelerator are reset. Reads 1 until that is over.",
    ),
    Register(
        0x60,
        "status",
        "write 1 to clear",
        "Errors stay until they are cleared; the state of the streams is that of this moment.",
        (
            (0, "input_slave_error", "A read was answered with SLVERR."),
            (1, "input_decode_error", "A read was answered with DECERR: no memory is there."),
            (2, "output_slave_error", "A write was answered with SLVERR."),
            (3, "output_decode_error", "A write was answered with DECERR: no memory is there."),
            (4, "input_misaligned", "The input's address is no multiple of the port's bytes."),
            (5, "output_misaligned", "The output's address is no multiple of the port's bytes."),
            (8, "input_waiting", "Data from memory waits for the accelerator."),
            (9, "input_empty", "The accelerator waits for data from memory."),
            (10, "output_full", "The output FIFO is full: results wait for the memory."),
        ),
    ),
    Register(
        0x64,
        "cycles_input",
        "read",
        "Cycles from the start of the input DMA until the first beat entered the accelerator.",
    ),
    Register(
        0x68,
        "cycles_first",
        "read",
        "Cycles from the start until the first image's last beat left the accelerator.",
    ),
    Register(
        0x6C,
        "cycles_last",
        "read",
        "Cycles from the start until the latest finished image's last beat left the accelerator. "
        "The II is (cycles_last - cycles_first) / (images_done - 1).",
    ),
    Register(0x70, "images_done", "read", "Images that have left the accelerator since the start."),
    Register(
        0x74,
        "cycles_busy",
        "read",
        "Cycles from the start until both DMAs were done: the last write has been answered.",
    ),
    Register(
        0x78,
        "cycles_empty",
        "read",
        "Of these, cycles in which the accelerator waited for data from memory.",
    ),
    Register(
        0x7C,
        "cycles_full",
        "read",
        "Of these, cycles in which results waited because the output FIFO was full.",
    ),
    *_dma(OUTPUT, "output", "output", "The last write of the batch has been answered."),
)
"""All registers but the signatures. Signature k is at SIGNATURES + 4 * k, read only."""

BY_NAME = {register.name: register for register in REGISTERS}
ERRORS = sum(1 << bit for bit, _, _ in BY_NAME["status"].bits if bit < 8)
"""The bits of `status` that are errors."""


def signature_offset(k: int) -> int:
    return SIGNATURES + 4 * k
