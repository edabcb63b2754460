"""Writes docs/registers.md from the one register table: `python docs/registers.py`.

A test fails if the page is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from pipeline.rtl.shell import registers

PAGE = Path(__file__).with_suffix(".md")
_HEAD = f"""# Registers of the AXI shell

`pipeline/rtl/shell/registers.py` is the one table; `python docs/registers.py` writes this page from
it. RTL, both drivers, the hwh and the virtual board read the same table.

The registers are 32 bits wide and are reached over AXI4-Lite. They begin at
{" and at ".join(f"`{base:#x}` on {family}" for family, base in registers.BASE.items())}. The input
DMA, the output DMA and the signatures have a page of {registers.PAGE:#x} bytes each. The offsets
of the DMAs are those of FINN's IODMA, so FINN's own driver works with our bitfile; it ignores what
lies at `0x40` and above. This is version {registers.ABI} of the table, and the register `abi` says
which one a bitfile has.

To run a batch: see that both DMAs are idle; clear `status`; write address and images of both DMAs;
start the output DMA, then the input DMA; wait for *done* of the output DMA; read `status`. The
start of the input DMA sets all counters and signatures back.

| offset | name | access | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The text of docs/registers.md."""
    return _HEAD + "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    for register in sorted(registers.REGISTERS, key=lambda register: register.offset):
        yield (
            f"| `{register.offset:#06x}` | `{register.name}` | {register.access} | "
            f"{register.meaning} |"
        )
        for bit, name, meaning in register.bits:
            yield f"| | bit {bit}: {name} | | {meaning} |"
    first = registers.signature_offset(0)
    yield (
        f"| `{first:#06x}` + 4 k | signature k | read | The checksum of stream k since the start, "
        "with `signatures=on`. settings.json says which stream that is. |"
    )


if __name__ == "__main__":
    PAGE.write_text(page())
