"""What can be taken out of each layer of a network, and what accuracy that costs by itself."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError, nearest
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.pruned import pruned
from pipeline.tools.files import content

HEADER = ("layer", "sparsity", "accuracy")
_LARGEST = 1 << 20


@dataclass(frozen=True)
class Site:
    """A layer of which blocks can be taken out.

    id: the layer, as the spec of a pruning names it. layer: the MVAU that loses columns, or for
    `outputs` the one that loses outputs. index: the block of each column or output. multiple: how
    many blocks stay is a multiple of it. least: how many have to stay.
    """

    id: str
    layer: str
    outputs: bool
    index: tuple[int, ...]
    multiple: int = 1
    least: int = 1

    @property
    def blocks(self) -> int:
        return self.index[-1] + 1 if self.index else 0

    def places(self, kept: int) -> list[int]:
        """Columns or outputs that stay if `kept` blocks do: some choice, the less the more go.

        Which blocks a training will take out is not known, so they are drawn once for each layer.
        """
        order = np.random.default_rng(self.blocks).permutation(self.blocks)
        stays = np.isin(np.asarray(self.index), order[:kept])
        found: list[int] = np.flatnonzero(stays).tolist()
        return found


@dataclass(frozen=True)
class Level:
    """How many blocks of a site stay, and how many points of accuracy are lost by that alone."""

    kept: int
    loss: float


Levels = Mapping[str, Sequence[Level]]
"""By site: the whole layer first, then ever less of it."""
Choice = Mapping[str, int]
"""By site: how many blocks stay. Of sites that it does not name all do."""


def shaped(graph: HardwareGraph, sites: Mapping[str, Site], choice: Choice) -> HardwareGraph:
    """The graph with only so many blocks of each site."""
    columns: dict[str, list[int]] = {}
    outputs: dict[str, list[int]] = {}
    for name, kept in choice.items():
        site = sites[name]
        if kept < site.blocks:
            (outputs if site.outputs else columns)[site.layer] = site.places(kept)
    return pruned(graph, columns, outputs)


def counts(site: Site, steps: int) -> list[int]:
    """How many blocks may stay, descending: about `steps` counts with many divisors.

    A matrix of 518 columns has few folds, one of 512 many. So near each of the sparsities 1/steps,
    2/steps ... the count is taken whose number of columns or outputs has the most divisors.
    """
    size = len(site.index) // site.blocks
    allowed = range(site.blocks, site.least - 1, -site.multiple)
    found = {site.blocks}
    for step in range(1, steps):
        middle, half = site.blocks * (1 - step / steps), site.blocks / steps / 2
        near = [kept for kept in allowed if middle - half < kept <= middle + half]
        if near:
            found.add(max(near, key=lambda kept: (_divisors(kept * size), kept)))
    return sorted(found, reverse=True)


def _divisors(number: int) -> int:
    return sum(number % d == 0 for d in range(1, number + 1))


def write_table(path: Path, rows: Sequence[tuple[str, float, float]]) -> None:
    """Writes the accuracy at each sparsity of each layer."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows((layer, f"{share:.6g}", f"{top1:.6g}") for layer, share, top1 in rows)


def read_table(path: Path, sites: Mapping[str, Site]) -> tuple[float, dict[str, list[Level]]]:
    """The accuracy of the whole network, and the levels of each site of a table.

    A layer that loses more loses no less accuracy here: what was measured otherwise is chance. So a
    level's loss is the greatest up to it. Sites without a row are not pruned.

    Raises PipelineError naming the line of the table that is wrong.
    """
    rows = list(_rows(path, sites))
    whole = [top1 for _, share, top1 in rows if share == 0]
    if not whole:
        raise PipelineError(
            f"{path}: has no row of sparsity 0, which gives the accuracy of the whole network"
        )
    base = whole[0]
    if (other := next((top1 for top1 in whole if top1 != base), None)) is not None:
        raise PipelineError(
            f"{path}: the accuracy at sparsity 0 is {base:g} in one row and {other:g} in another; "
            "it is that of the whole network, for every layer"
        )
    found = {}
    for name in dict.fromkeys(name for name, share, _ in rows if share > 0):
        site, measured = sites[name], dict[int, float]()
        for _, share, top1 in (row for row in rows if row[0] == name):
            kept = kept_at(site, share)
            measured[kept] = min(top1, measured.get(kept, top1))
        measured[site.blocks] = base
        order = sorted(measured, reverse=True)
        losses = itertools.accumulate((max(0.0, base - measured[kept]) for kept in order), max)
        found[name] = [Level(kept, loss) for kept, loss in zip(order, losses, strict=True)]
    return base, found


def kept_at(site: Site, share: float) -> int:
    """How many blocks stay if the site loses about `share`, as a pruning counts them."""
    steps = site.blocks // site.multiple
    return max(site.least, site.multiple * min(steps, math.floor(steps * (1 - share) + 0.5)))


def _rows(path: Path, sites: Mapping[str, Site]) -> Iterator[tuple[str, float, float]]:
    text = content(path, _LARGEST)
    try:
        lines = [] if text is None else text.decode().splitlines()
    except UnicodeDecodeError:
        lines = []
    if not lines or tuple(x.strip() for x in lines[0].split(",")) != HEADER:
        raise PipelineError(f"{path}: no table; its first line should be {','.join(HEADER)}")
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(",")]
        where = f"{path}, line {number}"
        try:
            name, share, top1 = cells[0], float(cells[1]), float(cells[2])
        except (IndexError, ValueError):
            raise PipelineError(f"{where}: should be a layer and two numbers") from None
        if name not in sites:
            raise PipelineError(f"{where}: {name[:80]}: {nearest(name[:80], sites)}")
        if not 0 <= share < 1 or not 0 <= top1 <= 100:
            raise PipelineError(
                f"{where}: sparsity is a share from 0 to below 1, accuracy per cent from 0 to 100"
            )
        yield name, share, top1
