"""Reads what a run of Vivado wrote: resources by instance, timing, power.

A report is a hostile file: whatever is not as expected ends in an error that names the line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.engines.utilisation import CARRIES, MUXFS, Utilisation
from pipeline.errors import PipelineError
from pipeline.tools.files import content

MOST_BYTES = 64 << 20
"""The largest report that is read. That of a full device, four levels deep, has 1 MB."""
_MOST_SHOWN = 100
_COLUMNS = {
    "lut": ("Total LUTs",),
    "ff": ("FFs",),
    "bram36": ("RAMB36",),
    "bram18": ("RAMB18",),
    "dsp": ("DSP Blocks", "DSP48 Blocks", "DSPs"),
}
"""Headings of the table by hierarchy; older and newer versions call the DSPs otherwise."""
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?")
_POWER = {
    "total": "Total On-Chip Power (W)",
    "dynamic": "Dynamic (W)",
    "static": "Device Static (W)",
}


def text_of(path: Path) -> str:
    """The text of a report. Raises PipelineError if it is missing, too large, or no text."""
    found = content(path, MOST_BYTES)
    if found is None:
        raise PipelineError(
            f"{path}: no such report, or larger than {MOST_BYTES >> 20} MiB; Vivado writes it at "
            "the end of a run"
        )
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError:
        raise PipelineError(f"{path}: not a report of Vivado: it is not text") from None


def utilisation(path: Path) -> dict[str, Utilisation]:
    """By instance path, the resources of it and all below; the top has the path "".

    Read from `report_utilization -hierarchical`: the only report that counts LUTs as the device has
    them (two small ones share a LUT). UG835 has no other form of it than text.
    """
    rows = list(_table(path))
    stack: list[str] = []
    found: dict[str, Utilisation] = {}
    for number, name, counts in rows:
        short = name.lstrip(" ")
        if short.startswith("("):
            continue  # what an instance has beside those below it
        depth, odd = divmod(len(name) - len(short), 2)
        if odd or depth > len(stack) or (depth == 0 and found):
            raise _wrong(path, number, f"instance {short!r} is indented as none can be")
        del stack[depth:]
        stack.append(short)
        where = "/".join(stack[1:])
        if where in found:
            raise _wrong(path, number, f"instance {where!r} is there twice")
        found[where] = Utilisation(
            lut=counts["lut"],
            ff=counts["ff"],
            bram36=counts["bram36"] + counts["bram18"] / 2,
            dsp=counts["dsp"],
        )
    return found


def _table(path: Path) -> Iterator[tuple[int, str, dict[str, int]]]:
    """The rows of the table by hierarchy: line number, instance with its indentation, counts."""
    headings: list[str] | None = None
    indices: dict[str, int] = {}
    for number, line in enumerate(text_of(path).splitlines(), 1):
        if not line.startswith("|"):
            continue
        cells = line.split("|")[1:-1]
        if headings is None:
            titles = [cell.strip() for cell in cells]
            if titles[:1] == ["Instance"]:
                headings = titles
                indices = {key: _index(path, number, titles, key) for key in _COLUMNS}
            continue
        if len(cells) != len(headings):
            raise _wrong(path, number, f"{len(cells)} cells, and {len(headings)} headings")
        counts = {}
        for key, index in indices.items():
            text = cells[index].strip()
            if not re.fullmatch(r"\d{1,9}", text):
                raise _wrong(path, number, f"{headings[index]} is {text[:_MOST_SHOWN]!r}")
            counts[key] = int(text)
        yield number, cells[0][1:].rstrip(), counts
    if headings is None:
        raise PipelineError(f"{path}: not Vivado's report by hierarchy: no heading 'Instance'")


def _index(path: Path, number: int, titles: list[str], key: str) -> int:
    for title in _COLUMNS[key]:
        if titles.count(title) == 1:
            return titles.index(title)
    raise _wrong(path, number, f"not one heading {' or '.join(map(repr, _COLUMNS[key]))}")


@dataclass(frozen=True)
class TimingPath:
    """A path from register to register: its slack and delay in ns, levels of logic, and ends."""

    slack: float
    delay: float
    levels: int
    start: str
    end: str


@dataclass(frozen=True)
class Figures:
    """What figures.tsv says.

    periods: by clock, in ns. setup, hold: the worst paths, the worst first. failing: by "setup" or
    "hold", how many end points fail, and the sum of their slacks in ns. cells: by instance and
    type.
    """

    version: str
    periods: Mapping[str, float]
    setup: tuple[TimingPath, ...]
    hold: tuple[TimingPath, ...]
    failing: Mapping[str, tuple[int, float]]
    cells: Mapping[str, Mapping[str, int]]

    @property
    def met(self) -> bool:
        return not any(count for count, _ in self.failing.values())


def figures(path: Path) -> Figures:
    """The figures that our own Tcl asked of Vivado's database (templates/figures.tcl)."""
    version: list[str] = []
    periods: dict[str, float] = {}
    paths: dict[str, list[TimingPath]] = {"setup": [], "hold": []}
    failing: dict[str, tuple[int, float]] = {}
    cells: dict[str, dict[str, int]] = {}
    for number, line in enumerate(text_of(path).splitlines(), 1):
        what, *rest = line.split("\t")
        try:
            match what, rest:
                case "version", [word]:
                    version.append(word)
                case "clock", [name, period]:
                    periods[name] = _number(period)
                case "path", ["setup" | "hold" as kind, slack, delay, levels, start, end]:
                    found = TimingPath(_number(slack), _number(delay), _count(levels), start, end)
                    paths[kind].append(found)
                case "failing", ["setup" | "hold" as kind, count, total]:
                    failing[kind] = (_count(count), _number(total))
                case "cells", [instance, type_, count]:
                    cells.setdefault(instance, {})[type_] = _count(count)
                case _:
                    raise ValueError(f"unexpected words {line[:_MOST_SHOWN]!r}")
        except ValueError as error:
            raise _wrong(path, number, str(error)) from None
    if len(version) != 1 or set(failing) != set(paths):
        raise PipelineError(f"{path}: cut off, or not written by this pipeline's figures.tcl")
    setup, hold = (
        tuple(sorted(paths[kind], key=lambda each: each.slack)) for kind in ("setup", "hold")
    )
    return Figures(version[0], periods, setup, hold, failing, cells)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:_MOST_SHOWN]!r} is no number")
    return float(text)


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise ValueError(f"{text[:_MOST_SHOWN]!r} is no count")
    return int(text)


def power(path: Path) -> dict[str, float]:
    """Watts: "total", "dynamic" and "static", as `report_power` estimates them."""
    found: dict[str, float] = {}
    for number, line in enumerate(text_of(path).splitlines(), 1):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        for key, title in _POWER.items():
            if len(cells) == 2 and cells[0] == title:
                if key in found:
                    raise _wrong(path, number, f"{title} is there twice")
                try:
                    found[key] = _number(cells[1])
                except ValueError as error:
                    raise _wrong(path, number, f"{title}: {error}") from None
    missing = [title for key, title in _POWER.items() if key not in found]
    if missing:
        raise PipelineError(f"{path}: not Vivado's report of power: no {', '.join(missing)}")
    return found


def with_cells(row: Utilisation, cells: Mapping[str, int]) -> Utilisation:
    """The row with the multiplexers and carry chains among these cells, which no report counts."""
    muxf, carry = (
        sum(count for type_, count in cells.items() if type_ in kind) for kind in (MUXFS, CARRIES)
    )
    return Utilisation(row.lut, row.ff, row.bram36, row.dsp, muxf, carry)


def passing_mhz(clock_mhz: float, slack: float) -> int:
    """The fastest clock in whole MHz at which a path passes that has this slack at `clock_mhz`."""
    return max(1, math.floor(1000 / (1000 / clock_mhz - slack)))


def _wrong(path: Path, number: int, why: str) -> PipelineError:
    return PipelineError(f"{path}: line {number}: not as Vivado writes it: {why}")
