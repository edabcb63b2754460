"""Writes the Verilog module of a layer's sums: see sums.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from pipeline.rtl.sums import COMPRESSED, GROUP, LEVELS_PER_STAGE, Number, Sums

Net = str
"""An expression of one bit."""
ZERO: Net = "1'b0"
_A_LINE = 6
Heap = list[list[Net]]
"""By power of two the bits of a heap."""


def text(sums: Sums, name: str) -> str:
    """The module `name`: `sums` has the sums of all rows, `latency` cycles after `inputs`.

    SIGN_FILE is the memory `signs`. Its only word is a constant to synthesis, and decides nothing
    of the structure: with another one the design has other signs.
    """
    _, rows, columns = sums.digits.shape
    signs, bits = max(1, sums.signs.words.size), sums.bits
    lines = [
        "// The sums of a layer's rows, of its weights other than zero. Generated: see sums.py.",
        f"module {name} #(",
        f'    parameter SIGN_FILE = "{name}.hex"  // one word: a bit for each digit, 1 for -1',
        ") (",
        "    input clk,",
        f"    input [{columns * sums.input_bits - 1}:0] inputs,",
        f"    output [{rows * bits - 1}:0] sums",
        ");",
        "`ifdef TIMING_ONLY",
        f"  assign sums = {{{rows * bits}{{1'b0}}}};",
        "`else",
        f"  reg [{signs - 1}:0] memory[0:0];",
        "  initial $readmemh(SIGN_FILE, memory);",
        f"  wire [{signs - 1}:0] signs = memory[0];",
    ]
    at = 0
    for row in range(rows):
        lines += ["", *_Row(sums, row, at).lines()]
        at += int(np.count_nonzero(sums.digits[:, row]))
    return "\n".join([*lines, "`endif", "endmodule"]) + "\n"


class _Row:
    """The netlist of one row. at: the place of its first sign in the word."""

    def __init__(self, sums: Sums, row: int, at: int) -> None:
        self._sums, self._row, self._at = sums, row, at
        self._stage = 0
        self._compressors = 0

    def lines(self) -> Iterator[str]:
        sums = self._sums
        heap: Heap = [[] for _ in range(len(sums.digits) + sums.input_bits + 1)]
        at = self._at
        for power, digits in enumerate(sums.digits[:, self._row]):
            columns = np.flatnonzero(digits).tolist()
            if not columns:
                continue
            for plane in range(sums.input_bits):
                yield from self._plane(heap, power, plane, columns, at)
            at += len(columns)
        levels = 1
        for counts in sums.plans[self._row].levels:
            if levels == LEVELS_PER_STAGE:
                yield from self._registers(heap)
                levels = 0
            yield from self._compress(heap, counts)
            levels += 1
        yield from self._registers(heap)
        yield from self._add(heap)

    def _plane(
        self, heap: Heap, power: int, plane: int, columns: Sequence[int], at: int
    ) -> Iterator[str]:
        """The bits of the digits of one power, for one bit plane of the inputs."""
        bits, name = self._sums.input_bits, f"r{self._row}_d{power}_x{plane}"
        read = [f"inputs[{column * bits + plane}]" for column in columns]
        yield from _vector("wire", name, read, f" ^ signs[{at + len(read) - 1}:{at}]")
        nets = [f"{name}[{i}]" for i in range(len(read))]
        if not self._sums.grouped:
            heap[power + plane] += nets
            return
        groups: dict[int, list[Net]] = {}
        for column, net in zip(columns, nets, strict=True):
            groups.setdefault(column // GROUP, []).append(net)
        tables: list[Net] = []
        for group in groups.values():
            if len(group) == 1:
                heap[power + plane] += group
                continue
            ones = " ^ ".join(group)
            twos = " | ".join(f"{a} & {b}" for a, b in combinations(group, 2))
            for k, table in enumerate((ones, twos)):
                heap[power + plane + k].append(f"{name}_t[{len(tables)}]")
                tables.append(table)
        if tables:
            yield from _vector("wire", f"{name}_t", tables)

    def _compress(self, heap: Heap, counts: Sequence[int]) -> Iterator[str]:
        heap += [[] for _ in range(len(counts) + 2 - len(heap))]
        made: Heap = [[] for _ in heap]
        for power, count in enumerate(counts):
            for _ in range(count):
                six = [heap[power].pop(0) for _ in range(COMPRESSED)]
                name = f"r{self._row}_c{self._compressors}"
                self._compressors += 1
                yield f"  wire [2:0] {name};"
                yield f"  compressor_6_3 {name}_of ("
                yield f"      .bits ({{{', '.join(six)}}}),"
                yield f"      .count({name})"
                yield "  );"
                for k in range(3):
                    made[power + k].append(f"{name}[{k}]")
        heap[:] = [[*left, *more] for left, more in zip(heap, made, strict=True)]

    def _registers(self, heap: Heap) -> Iterator[str]:
        """All bits of the heap through a register."""
        name = f"r{self._row}_s{self._stage}"
        self._stage += 1
        yield from _vector("reg", name, [net for column in heap for net in column])
        place = iter(range(sum(map(len, heap))))
        heap[:] = [[f"{name}[{next(place)}]" for _ in column] for column in heap]

    def _add(self, heap: Heap) -> Iterator[str]:
        """The sum of the numbers that are left, through registers."""
        row, bits = self._row, self._sums.bits
        numbers: list[tuple[Number, list[Net]]] = []
        for mask in self._sums.plans[row].operands:
            nets = [column.pop(0) if mask >> k & 1 else ZERO for k, column in enumerate(heap)]
            numbers.append((Number.of(mask), nets))
        while len(numbers) > 1:
            added: list[tuple[Number, list[Net]]] = []
            for k, ((one, nets), (other, more)) in enumerate(
                zip(numbers[::2], numbers[1::2], strict=False)
            ):
                found, name = one + other, f"r{row}_s{self._stage}_{k}"
                yield from _sum(name, nets, more, max(one.low, other.low), found.high)
                added.append((found, [f"{name}[{i}]" for i in range(found.high)]))
            if len(numbers) % 2:
                last, nets = numbers[-1]
                name = f"r{row}_s{self._stage}_{len(added)}"
                yield from _vector("reg", name, nets[: last.high])
                added.append((last, [f"{name}[{i}]" for i in range(last.high)]))
            self._stage += 1
            numbers = added
        total = numbers[0][1] if numbers else []
        total = [*total, *[ZERO] * bits][:bits]
        while self._stage < self._sums.latency:
            name = f"r{row}_s{self._stage}"
            yield from _vector("reg", name, total)
            total = [f"{name}[{i}]" for i in range(bits)]
            self._stage += 1
        yield f"  assign sums[{(row + 1) * bits - 1}:{row * bits}] = {_joined(total)};"


def _sum(name: str, one: list[Net], other: list[Net], low: int, high: int) -> Iterator[str]:
    """Registers of the sum of two numbers; below `low` only one of them has bits."""
    width = high - low
    below = [b if a == ZERO else a for a, b in zip(one[:low], other[:low], strict=False)]
    below += (one if len(one) > len(other) else other)[len(below) : low]
    terms = []
    for net in (one, other):
        part = [*net[low:high], *[ZERO] * width][:width]
        terms.append(_joined(part))
    yield f"  reg [{high - 1}:0] {name};"
    yield "  always @(posedge clk) begin"
    yield f"    {name}[{high - 1}:{low}] <= {terms[0]} + {terms[1]};"
    if below:
        yield f"    {name}[{low - 1}:0] <= {_joined(below)};"
    yield "  end"


def _joined(nets: Sequence[Net]) -> str:
    """A vector whose bit 0 is the first net."""
    listed = list(reversed(nets))
    lines = [", ".join(listed[i : i + _A_LINE]) for i in range(0, len(listed), _A_LINE)]
    return "{" + ",\n      ".join(lines) + "}"


def _vector(kind: str, name: str, nets: Sequence[Net], after: str = "") -> Iterator[str]:
    if not nets:
        return
    yield f"  {kind} [{len(nets) - 1}:0] {name};"
    drive = f"{name} <=" if kind == "reg" else f"assign {name} ="
    prefix = "always @(posedge clk) " if kind == "reg" else ""
    yield f"  {prefix}{drive} {_joined(nets)}{after};"
