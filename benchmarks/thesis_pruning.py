"""What pruning buys a convolutional network: a thesis' table, recomputed with our exact folding.

    .venv/bin/python benchmarks/thesis_pruning.py            # two minutes
    .venv/bin/python benchmarks/thesis_pruning.py --quick    # only the first rows

The peer is "Optimizing Neural Networks for PYNQ" (rbcarlos/Bachelor-Thesis). It prunes CNV with 2
and 4 bits: blocks of SIMD columns of each convolution, fully connected layers not. Its figures are
in benchmarks/thesis_pruning.csv: its accuracies were measured, its frames per second are the clock
of an out-of-context synthesis divided by the cycles that FINN 0.5 estimates. It has no rows for 8
bits, since its slowest folding needs 281,844 LUTs (folding/set_folding_exhaustive.ipynb).

Each row of it is here in two shapes, and each shape is folded exactly for a board at 100 MHz:

- *its columns*: as many columns of each layer as it kept, in its blocks.
- *in 16s*: about as many in all, in blocks of 16 columns (three in the first layer), and of each
  layer a number of blocks that folds well, chosen as `./doit prune-plan` chooses it.

*left* is the share of the convolutions' weights, *gain* the speed beside our whole network's. A
smaller network can be slower: of numbers with few divisors there are few foldings. The last column
is the certificate: the next faster II that is legal, and what it needs more of than there is.

Which blocks training takes out is not known here, so they are drawn; nor is the accuracy of *in
16s*, which the conclusion takes to be that of the thesis' row. All figures of ours are estimated
and count the AXI shell. Our Verilog takes fewer LUTs than FINN's of 2021, so the speed-up over the
thesis is not the folding's alone: what compares is ours with ours.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from qonnx.core.modelwrapper import ModelWrapper

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import table
from pipeline.chain import BY_NAME
from pipeline.errors import DoesNotFit
from pipeline.flow.selection import selection
from pipeline.folding import Ground, Plan, folded, frames, ground
from pipeline.folding.search import binding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Mvau
from pipeline.job import Job
from pipeline.planning.sites import Site, counts, shaped
from pipeline.streamlining.graph import hardware_graph
from specs.models import CnvModel

THESIS = Path(__file__).with_suffix(".csv")
BOARDS = {2: ("Pynq-Z1",), 4: ("Pynq-Z1", "Ultra96", "ZCU104"), 8: ("Pynq-Z1", "ZCU104")}
"""By bits. The thesis folded 4 bits within the LUTs of an Ultra96, with more block RAM than that
has."""
RIGHT = {2: 43_200, 4: 225_792}
"""The II of the best folding of the whole network in the thesis' own table of foldings."""
WHOLE, ITS, OURS = "whole", "its columns", "in 16s"
STEPS = 7
"""We prune in steps of about a seventh: nearly the thesis' 15 %, of which five reach 75 %."""
_WORDS = {"lut": "LUT", "bram18": "RAMB18", "input_bits": "port bits"}
COLUMNS = (
    "bits, board", "pruned", "accuracy", "its II", "fps", "ours", "left", "II", "fps", "gain",
    "LUT", "BRAM36", "next faster II: need of what is there",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A row of the thesis: a network with a share of its columns taken out, in per cent.

    fps: on a clock of its own. accuracy: in per cent. simd, columns: of each convolution the size
    of a block and how many columns are left; without simd the network is whole.
    """

    bits: int
    sparsity: int
    fps: int
    accuracy: float
    ii: int
    simd: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def step(self) -> int:
        """The number of the pruning's step, 0 for none."""
        return round(STEPS * self.sparsity / 100)


@dataclass(frozen=True)
class Point:
    """A network as it is or pruned in one of the two ways, folded for a board.

    row: of the thesis; None where it has none. left: the share of the convolutions' weights.
    plan: None if no folding fits; then `short` says what is missing.
    """

    bits: int
    board: str
    row: Row | None
    way: str
    left: float
    plan: Plan | None
    short: str = ""

    @property
    def fps(self) -> int:
        return 0 if self.plan is None else frames(self.plan.mhz, self.plan.solution.ii)


def thesis() -> list[Row]:
    """The thesis' rows, the whole network of each width first."""
    with THESIS.open(newline="") as file:
        return [
            Row(
                int(row["bits"]), int(row["sparsity"]), int(row["fps"]), float(row["accuracy"]),
                int(row["ii"]), _numbers(row["simd"]), _numbers(row["columns"]),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split())


@cache
def network(bits: int) -> HardwareGraph:
    """CNV as the thesis has it, untrained: so many bits also in the first layer."""
    spec = selection({"network": f"cnv_{bits}w{bits}a"}).units[0].network
    assert isinstance(spec.model, CnvModel)
    model = spec.model.model_copy(update={"first_weight_bits": None})
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "model.onnx"
        table.write_qonnx(model, spec.input, path)
        return hardware_graph(ModelWrapper(str(path)), spec.name, spec.input, "label").graph


def convolutions(graph: HardwareGraph) -> list[Mvau]:
    return [x for x in graph.layers if isinstance(x, Mvau) and x.id.startswith("conv")]


def board_ground(board: str) -> Ground:
    """What a board gives any folding, as in a build without further wishes."""
    unit = selection({"board": board}).units[0]
    specs = {path: unit.read(path) for path in BY_NAME["fits"].reads}
    return ground(Job("fits", unit.name, specs, {}, Path()))


def site(layer: Mvau, block: int) -> Site:
    """The layer in blocks of so many columns."""
    return Site(layer.id, layer.id, False, tuple(i // block for i in range(layer.mw)))


def stays(layers: Sequence[Mvau], row: Row, way: str) -> list[tuple[Site, int]]:
    """The blocks of each convolution, and how many of them are left."""
    if way == ITS:
        sites = [site(x, simd) for x, simd in zip(layers, row.simd, strict=True)]
        left = zip(row.columns, row.simd, strict=True)
        return [(of, x // simd) for of, (x, simd) in zip(sites, left, strict=True)]
    sites = [site(x, 16 if x.mw % 16 == 0 else 3) for x in layers]
    return [(of, counts(of, STEPS)[row.step]) for of in sites]


def shape(graph: HardwareGraph, row: Row, way: str) -> HardwareGraph:
    """The network as a row of the thesis has it, pruned in one of the two ways."""
    if not row.simd:
        return graph
    chosen = stays(convolutions(graph), row, way)
    sites = {of.id: of for of, _ in chosen}
    found = shaped(graph, sites, {of.id: kept for of, kept in chosen})
    found.check()
    return found


def weights(graph: HardwareGraph) -> int:
    return sum(layer.weights.size for layer in convolutions(graph))


def point(given: Ground, board: str, bits: int, row: Row | None, way: str) -> Point:
    """A row of the thesis on a board; without a row the whole network."""
    whole = network(bits)
    graph = whole if row is None else shape(whole, row, way)
    left = weights(graph) / weights(whole)
    try:
        return Point(bits, board, row, way, left, folded(given, graph))
    except DoesNotFit:
        space = given.space(graph)
        needs = binding(space, space.iis()[-1], given.budget)
        short = told((need.resource, need.need, need.have) for need in needs)
        return Point(bits, board, row, way, left, None, short)


def points(rows: Sequence[Row], boards: Sequence[str]) -> Iterator[Point]:
    """The points of rows of one width: whole networks once, others in both ways."""
    for board in boards:
        given = board_ground(board)
        for row in rows:
            for way in (ITS, OURS) if row.simd else (WHOLE,):
                yield point(given, board, row.bits, row, way)


def without_rows(bits: int) -> Iterator[Point]:
    """A width that the thesis does not have: whole, and with the most that it pruned of others."""
    most = max(thesis(), key=lambda row: row.sparsity)
    for board in BOARDS[bits]:
        given = board_ground(board)
        yield point(given, board, bits, None, WHOLE)
        found = point(given, board, bits, most, OURS)
        yield replace(found, row=None, way=f"{OURS}, {most.sparsity} %")


def lines(found: Sequence[Point]) -> Iterator[tuple[str, ...]]:
    """The points as rows of the table."""
    before = None
    for x in found:
        head = f"{x.bits}, {x.board}"
        first, before = head != before, head
        its = ("",) * 4
        if x.row is not None and x.way != OURS:
            row = x.row
            its = (f"{row.sparsity} %", f"{row.accuracy:.2f} %", f"{row.ii:,}", f"{row.fps:,}")
        yield (head if first else "", *its, x.way, f"{100 * x.left:.0f} %", *_ours(x, found))


def _ours(x: Point, found: Sequence[Point]) -> tuple[str, ...]:
    if x.plan is None:
        return ("none fits", *[""] * 4, x.short)
    figures = x.plan.figures()
    whole = whole_of(x, found)
    gain = f"{x.fps / whole.fps:.2f}x" if whole is not None and whole is not x else ""
    return (
        f"{figures['ii'].value:,}",
        f"{x.fps:,}",
        gain,
        f"{figures['lut'].value:,}",
        f"{figures['bram36'].value:g}",
        next_faster(x.plan.certificate),
    )


def next_faster(certificate: Mapping[str, Any]) -> str:
    """What the certificate of a folding says about the next faster II."""
    bound = certificate["bound"]
    if "next_faster_ii" not in bound:
        return "no legal folding is faster"
    needs = ((need["resource"], need["need"], need["have"]) for need in bound["binding"])
    return f"{bound['next_faster_ii']:,}: {told(needs)}"


def told(needs: Iterable[tuple[str, float, float]]) -> str:
    """Of each resource that is short what is needed, and what there is."""
    return ", ".join(f"{need:,.0f} of {have:,.0f} {_WORDS[name]}" for name, need, have in needs)


def whole_of(x: Point, found: Sequence[Point]) -> Point | None:
    """The network of a point before it was pruned, on the same board; None if it does not fit."""
    same = (y for y in found if (y.bits, y.board) == (x.bits, x.board) and y.way == WHOLE)
    return next((y for y in same if y.plan is not None), None)


def best(found: Sequence[Point], bits: int, board: str, sparsity: int) -> Point:
    """The faster one of the ways to prune as much."""
    return max(
        (
            x
            for x in found
            if (x.bits, x.board) == (bits, board)
            and x.row is not None
            and x.row.sparsity == sparsity
        ),
        key=lambda x: x.fps,
    )


def cheap(rows: Sequence[Row], bits: int) -> Row:
    """The most that the thesis pruned at a loss of at most a point of accuracy."""
    own = [row for row in rows if row.bits == bits]
    return [row for row in own if own[0].accuracy - row.accuracy <= 1][-1]


def conclusion(found: Sequence[Point], rows: Sequence[Row]) -> str:
    """What pruning buys, in two sentences."""
    folding, pruning = [], []
    for bits, board in ((2, "Pynq-Z1"), (4, "Ultra96")):
        own = [row for row in rows if row.bits == bits]
        fastest, least = max(own, key=lambda row: row.fps), cheap(rows, bits)
        whole, after = best(found, bits, board, 0), best(found, bits, board, least.sparsity)
        folding.append(
            f"{whole.fps:,} fps for {bits} bits on {board}, where the thesis has {own[0].fps:,}, "
            f"and {fastest.fps:,} at most, at {fastest.accuracy:.2f} %"
        )
        pruning.append(
            f"{_more(after.fps, whole.fps)} for {bits} bits on {board} (by the thesis "
            f"{_more(least.fps, own[0].fps)}, but {_more(RIGHT[bits], least.ii)} beside the best "
            "of its own foldings)"
        )
    tight = [best(found, 4, "Pynq-Z1", sparsity).fps for sparsity in (0, cheap(rows, 4).sparsity)]
    return (
        f"The right folding buys the most, without any pruning: "
        f"{'; '.join(folding)}.\n"
        f"On top of that, the pruning that costs at most one point of accuracy buys "
        f"{', '.join(pruning)}; it buys more only where it makes room for what is short: with 4 "
        f"bits on Pynq-Z1, whose block RAM the whole network fills, {tight[0]:,} fps become "
        f"{tight[1]:,}."
    )


def _more(after: float, before: float) -> str:
    return f"{100 * (after / before - 1):+.0f} % fps"


def main() -> None:
    quick = table.options(__doc__).quick
    rows = thesis()
    if quick:
        found = [*points([row for row in rows if row.bits == 2][:2], BOARDS[2])]
    else:
        found = [
            *points([row for row in rows if row.bits == 2], BOARDS[2]),
            *points([row for row in rows if row.bits == 4], BOARDS[4]),
            *without_rows(8),
        ]
    title = "The thesis' pruned CNV beside ours (estimated, 100 MHz)"
    table.show(title, COLUMNS, lines(found))
    if not quick:
        print(conclusion(found, rows))


if __name__ == "__main__":
    main()
