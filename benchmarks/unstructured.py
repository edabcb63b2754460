"""LUTs of matrix-vector units that are not folded at all, against the share of their zeros.

    .venv/bin/python benchmarks/unstructured.py            # what was synthesised before
    .venv/bin/python benchmarks/unstructured.py --measure  # synthesises what was not yet
    .venv/bin/python benchmarks/unstructured.py --quick    # one small layer, synthesised

Each layer is synthesised alone, out of context, for 7-series, with random weights of which a share
is zero. The measurements are in benchmarks/unstructured.csv; calibrate_costs.py fits the cost model
of such layers to them. Delete lines of what the RTL changed.

Beside it stand two peers. `mvau.v` is the same layers in the module for folded layers, whose
weights are constants that Yosys folds; measured once, before mvau_unrolled.v was there. "published"
is what this project was given as the state of the art for unrolled layers: of other layers, another
tool and another device. Its source could not be found again, so take it as a rough mark.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

import numpy as np

from pipeline.engines.open import ENGINE, costs
from pipeline.engines.open.layers import utilisation
from pipeline.engines.open.shapes import Shape, shape_of
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, ThresholdStyle
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, Mvau, accumulator_range
from specs.input import InputSpec

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import table

OUT = Path(__file__).with_name("unstructured.csv")
MEASURED = ("lut", "ff", "bram36", "carry", "inv")
SPARSITIES = (0, 30, 50, 70)
FOLDED = {0: 6958, 30: 9010, 50: 7959, 70: 5721}
"""LUTs of the layer set in mvau.v, where 1-bit weights with zeros take two bits, each summed."""
PUBLISHED = {30: -14.7, 50: -28.6, 70: -39.8}
"""LUTs in percent."""


@dataclass(frozen=True)
class Point:
    """A layer: MW x MH weights, of which `zeros` percent are zero.

    steps: thresholds of a row. style: how they are compared.
    """

    weight: str
    activation: str
    mw: int
    mh: int
    steps: int
    zeros: int
    style: ThresholdStyle = "compare"

    @property
    def fold(self) -> Fold:
        return Fold(self.mh, self.mw, "lut", self.style)


Layer = tuple[str, str, int, int, int]
"""What a point has, without its zeros."""
SMALL: Layer = ("BIPOLAR", "BIPOLAR", 16, 4, 1)
LAYERS: tuple[Layer, ...] = (
    ("BIPOLAR", "BIPOLAR", 48, 16, 1),
    ("INT2", "INT2", 36, 16, 3),
    ("BIPOLAR", "INT8", 27, 8, 1),
    ("INT4", "UINT4", 27, 8, 1),
)
"""The layer set whose LUTs are added."""
OTHERS = (
    Point("BIPOLAR", "BIPOLAR", 64, 64, 1, 0),
    Point("BIPOLAR", "BIPOLAR", 64, 32, 1, 50),
    Point("BIPOLAR", "BIPOLAR", 144, 8, 1, 80),
    Point("BIPOLAR", "INT2", 64, 12, 3, 0),
    Point("BIPOLAR", "INT2", 64, 12, 3, 60),
    Point("INT2", "INT2", 64, 10, 0, 40),
    Point("INT2", "BIPOLAR", 60, 10, 0, 0),
    Point("INT8", "UINT8", 9, 4, 1, 0),
    Point("INT8", "UINT8", 9, 4, 1, 50),
    Point("INT4", "UINT4", 16, 8, 15, 30),
    Point("INT2", "UINT2", 32, 24, 3, 90),
    Point("INT2", "INT2", 36, 16, 3, 50, "table"),
    Point("INT2", "BIPOLAR", 60, 10, 15, 40, "table"),
    Point("BIPOLAR", "INT2", 24, 12, 3, 30, "table"),
    Point("INT2", "INT2", 36, 16, 3, 50, "search"),
    Point("INT4", "UINT4", 16, 8, 15, 30, "search"),
    Point("INT2", "UINT4", 24, 12, 15, 60, "search"),
    Point("INT2", "UINT2", 32, 16, 15, 50),
)
"""Further layers for the cost model."""


def points() -> Iterator[Point]:
    for layer in LAYERS:
        yield from (Point(*layer, zeros) for zeros in SPARSITIES)
    yield from OTHERS


def network(point: Point) -> HardwareGraph:
    """One layer with random contents. The same weights are left, fewer with each sparsity."""
    rng = np.random.default_rng(1)
    weight, activation = DataType(point.weight), DataType(point.activation)
    shape, steps = (point.mh, point.mw), point.steps
    weights = rng.integers(1, weight.max + 1, shape) * rng.choice([-1, 1], shape)
    order = rng.permutation(weights.size)
    weights.reshape(-1)[order[: weights.size * point.zeros // 100]] = 0
    if weight.bipolar and point.zeros:
        weight = DataType("INT2")
    popcount = weight.bipolar and activation.bipolar
    low, high = (0, point.mw) if popcount else accumulator_range(weights, activation)
    accumulator = DataType.smallest(low, high + (steps > 0))
    source = Edge("x", activation, (point.mw,))
    levels = DataType.smallest(0, steps) if steps > 1 else activation
    target = Edge("y", levels if steps else accumulator, (point.mh,))
    if steps == 1:
        target = Edge("y", DataType("BIPOLAR"), (point.mh,))
    middle, spread = (low + high) // 2, (high - low) // 8 + 1
    near = rng.integers(middle - spread, middle + spread, (point.mh, max(steps, 1)))
    layer = Mvau(
        "layer",
        "x",
        "y",
        (),
        weights=weights,
        weight_dtype=weight,
        accumulator=accumulator,
        popcount=popcount,
        thresholds=np.sort(near) if steps else None,
    )
    graph = HardwareGraph(
        "unrolled", InputSpec(shape=(1, point.mw, 1)), {"x": source, "y": target}, (layer,)
    )
    graph.check()
    return graph


def shape(point: Point) -> Shape:
    """The layer as the cost model sees it."""
    graph = network(point)
    layer = graph.layers[0]
    return shape_of(layer, graph.source, point.fold)


def synthesised(point: Point) -> dict[str, float]:
    graph = network(point)
    with tempfile.TemporaryDirectory() as work:
        found = utilisation(
            graph, graph.layers[0], point.fold, ENGINE, "zynq-7000", Path(work),
            Path(work) / "logs",
        )  # fmt: skip
    return {name: float(found.document()[name]) for name in MEASURED}


def read() -> dict[Point, dict[str, float]]:
    """What was measured."""
    if not OUT.exists():
        return {}
    with OUT.open(newline="") as file:
        return {
            _point(row): {name: float(row[name]) for name in MEASURED}
            for row in csv.DictReader(file)
        }


def _point(row: Mapping[str, str]) -> Point:
    mw, mh, steps, zeros = (int(row[name]) for name in ("mw", "mh", "steps", "zeros"))
    styles: dict[str, ThresholdStyle] = {"table": "table", "search": "search"}
    style = styles.get(row["style"], "compare")
    return Point(row["weight"], row["activation"], mw, mh, steps, zeros, style)


def measurements() -> Iterator[tuple[Shape, dict[str, float]]]:
    """The synthesised layers, as the cost model sees them, with their counts."""
    for point, counts in read().items():
        yield shape(point), counts


def measure() -> None:
    """Synthesises what OUT does not hold yet."""
    known = read()
    with OUT.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(field.name for field in fields(Point)), *MEASURED])
        for point in points():
            counts = known.get(point) or synthesised(point)
            writer.writerow([*astuple(point), *(f"{counts[name]:g}" for name in MEASURED)])
            file.flush()
            print(*asdict(point).values(), counts, flush=True)


def report(found: Mapping[Point, Mapping[str, float]], layers: Sequence[Layer]) -> None:
    sparsities = [zeros for zeros in SPARSITIES if Point(*layers[0], zeros) in found]
    rows: list[list[str]] = []
    for layer in layers:
        points = [Point(*layer, zeros) for zeros in sparsities]
        cells = [f"{found[point]['lut']:,.0f} ({costs.lut(shape(point)):,})" for point in points]
        rows.append([f"{layer[0]} x {layer[1]}, {layer[2]} to {layer[3]}", *cells])
    sums = [sum(found[Point(*layer, zeros)]["lut"] for layer in layers) for zeros in sparsities]
    rows.append(["all", *(f"{total:,.0f}" for total in sums)])
    rows.append(["saved", "", *(f"{100 * (total / sums[0] - 1):+.1f} %" for total in sums[1:])])
    if layers is LAYERS:
        rows.append(["all, in mvau.v", *(f"{FOLDED[zeros]:,}" for zeros in sparsities)])
        shares = [100 * (FOLDED[zeros] / FOLDED[0] - 1) for zeros in sparsities[1:]]
        rows.append(["saved, in mvau.v", "", *(f"{share:+.1f} %" for share in shares)])
    rows.append(["published", "", *(f"{PUBLISHED[zeros]:+.1f} %" for zeros in sparsities[1:])])
    header = ["weights x inputs, columns to rows", *(f"{zeros} % zeros" for zeros in sparsities)]
    table.show("LUTs of layers without fold, 7-series: synthesised (estimated)", header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="synthesise what is not in the file")
    parser.add_argument("--quick", action="store_true", help="one small layer: shows that it works")
    given = parser.parse_args()
    if given.quick:
        points = [Point(*SMALL, zeros) for zeros in (0, 50)]
        report({point: synthesised(point) for point in points}, [SMALL])
        return
    if given.measure:
        measure()
    report(read(), LAYERS)


if __name__ == "__main__":
    main()
