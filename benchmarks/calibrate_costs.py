"""Synthesises layers of many shapes and folds, and fits the cost model to the results.

    python benchmarks/calibrate_costs.py          # half an hour on one core
    python benchmarks/calibrate_costs.py fit      # only fit again, to the existing measurements

Writes the measurements to benchmarks/open_costs.csv (synthesised for 7-series), and the fitted
coefficients to pipeline/engines/open/costs.json. Run it again when the RTL library or Yosys
changes. MVAUs that are not folded at all are measured by unstructured.py, and fitted here.
"""

from __future__ import annotations

import csv
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from pipeline.engines.open import ENGINE
from pipeline.engines.open.costs import COEFFICIENTS
from pipeline.engines.open.layers import utilisation
from pipeline.engines.open.shapes import Shape, bram18, shape_of
from pipeline.engines.open.terms import terms
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, RamStyle, ThresholdStyle
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Add,
    Edge,
    Fork,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    Select,
    SlidingWindow,
    SumPool,
    Threshold,
    accumulator_range,
)
from specs.input import InputSpec

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import unstructured

OUT = Path(__file__).with_name("open_costs.csv")
FIELDS = [
    "kind", "weight", "activation", "mw", "mh", "steps", "pe", "simd", "ram_style",
    "threshold_style", "shared", "falls", "pruned",
]  # fmt: skip
MAP_KINDS = ("swg", "max_pool", "pad", "sum_pool", "fork", "add", "select")
"""Of these mw is the channels, mh the rows and columns of the map, steps the kernel, if any; for
add it is the factor of the second input, where 0 stands for 1. pruned: the percentage of columns
that swg or select leaves out."""
MEASURED = ["acc_bits", "lut", "ff", "bram36", "carry", "inv"]
SHAPES = [(784, 64), (64, 64), (64, 10), (256, 256), (784, 256), (128, 32), (60, 24), (1024, 64)]
KINDS = [("BIPOLAR", "BIPOLAR"), ("BIPOLAR", "INT2"), ("INT2", "INT2")]
WIDE_KINDS = [("BIPOLAR", "UINT4"), ("INT4", "UINT4"), ("INT4", "INT2"), ("INT8", "UINT8")]
LARGE = [
    (784, 256, 16, 16), (784, 256, 8, 98), (256, 256, 16, 16), (256, 256, 32, 8),
    (784, 1024, 16, 56), (784, 1024, 32, 28), (1024, 1024, 16, 64), (1024, 1024, 32, 32),
]  # fmt: skip
"""SFC's and LFC's layers as a Pynq-Z1 would fold them: MW, MH, PE, SIMD; weights in block RAM."""
TABLES = [
    (60, 24, 1, 12), (60, 24, 4, 10), (64, 64, 2, 8), (64, 64, 16, 8), (24, 24, 24, 12),
    (32, 64, 8, 32), (64, 64, 1, 64),
]  # fmt: skip
"""MW, MH, PE, SIMD of layers whose accumulators have at most 8 bits, as a table takes."""

WINDOWS = [
    (3, 32, 3, 1, "lut"), (3, 32, 3, 3, "lut"), (3, 32, 3, 3, "block"), (64, 30, 3, 64, "lut"),
    (64, 30, 3, 16, "block"), (64, 14, 3, 32, "lut"), (128, 5, 3, 4, "lut"), (256, 3, 3, 2, "lut"),
    (16, 9, 1, 4, "lut"), (16, 12, 5, 8, "block"),
]  # fmt: skip
"""Channels, row, kernel, PE and memory of sliding windows: CNV's, and some of other kernels."""
WHOLE_WINDOWS = [
    (3, 32, 3, "lut"), (3, 32, 3, "block"), (16, 30, 3, "lut"), (64, 30, 3, "lut"),
    (64, 12, 3, "lut"), (16, 5, 3, "lut"), (16, 12, 5, "block"), (8, 56, 3, "lut"),
]  # fmt: skip
"""Channels, row, kernel and memory of windows that are handed out whole."""
PRUNED_WINDOWS = [
    (3, 32, 3, 1, "lut", 50), (3, 32, 3, 3, "block", 30), (64, 30, 3, 64, "lut", 50),
    (64, 30, 3, 16, "block", 75), (64, 14, 3, 32, "lut", 30), (64, 14, 3, 1, "block", 50),
    (128, 5, 3, 4, "lut", 50), (256, 3, 3, 2, "lut", 70), (64, 12, 1, 4, "lut", 50),
    (16, 12, 5, 8, "block", 90),
]  # fmt: skip
"""The same of windows of which a percentage of columns is left out."""
PRUNED_WHOLE_WINDOWS = [
    (3, 32, 3, "lut", 50), (16, 30, 3, "lut", 30), (64, 12, 3, "lut", 75), (16, 12, 5, "block", 90),
    (8, 56, 3, "lut", 50), (64, 12, 1, "lut", 50),
]  # fmt: skip
SELECTED = [(784, 1), (784, 7), (784, 28), (600, 40), (64, 1), (256, 4), (256, 64)]
"""Elements and PE of vectors of which half is left out."""
CONVOLUTIONS = [
    ("BIPOLAR", "BIPOLAR", 576, 64, 64, 144), ("BIPOLAR", "BIPOLAR", 576, 64, 16, 576),
    ("BIPOLAR", "BIPOLAR", 576, 128, 32, 144), ("BIPOLAR", "BIPOLAR", 1152, 128, 32, 64),
    ("BIPOLAR", "INT2", 576, 64, 32, 96), ("INT2", "INT2", 576, 64, 16, 72),
    ("BIPOLAR", "INT8", 27, 64, 16, 27), ("INT2", "INT8", 27, 64, 16, 27),
]  # fmt: skip
"""Weight, activation, MW, MH, PE, SIMD as of CNV's layers behind whole windows."""


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def samples() -> Iterator[dict[str, str | int]]:
    draw = random.Random(1)
    for weight, activation in KINDS:
        bits = DataType(weight).bits * DataType(activation).bits
        for _ in range(64):
            mw, mh = draw.choice(SHAPES)
            pe, simd = draw.choice(divisors(mh)), draw.choice(divisors(mw))
            tile, depth = pe * simd * bits, (mh // pe) * (mw // simd)
            if tile > 1024 or (mw * mh * DataType(weight).bits > 40_000 and depth > 4096):
                continue
            steps = 0 if mh == 10 else 1 if activation == "BIPOLAR" else 3
            style = "block" if depth >= 64 and draw.random() < 0.6 else "lut"
            if style == "lut" and mw * mh * DataType(weight).bits > 100_000:
                continue
            values = ("mvau", weight, activation, mw, mh, steps, pe, simd, style, "compare", 0, 0)
            yield sample_of(values)
    for activation in ("BIPOLAR", "INT2"):
        steps = 1 if activation == "BIPOLAR" else 3
        for pe in (1, 2, 4, 8, 16):
            for channels in (784, 64):
                yield threshold(activation, channels, steps, pe, "compare", 1)
    for classes, bits in ((10, 7), (10, 8), (16, 12), (100, 9)):
        for pe in divisors(classes)[:4]:
            values = ("label_select", "", f"INT{bits}", classes, classes, 0, pe, pe, "lut",
                      "compare", 0, 0)  # fmt: skip
            yield sample_of(values)
    for activation, steps in (("UINT4", 15), ("UINT8", 255), ("INT2", 3)):
        for shared, channels in ((1, 784), (0, 32)):
            for style in ("compare", "table", "search"):
                for pe in (1, 4) if steps > 15 else (1, 4, 16):
                    if not (style == "compare" and steps > 15):
                        yield threshold(activation, channels, steps, pe, style, shared)
    for activation, steps in (("BIPOLAR", 1), ("INT2", 3), ("UINT4", 15), ("UINT8", 255)):
        for shared, channels in ((0, 64), (1, 784)):
            for pe in (1, 4) if steps > 15 else (1, 4, 16):
                for style in ("search",) if steps > 15 else ("compare", "search"):
                    yield threshold(activation, channels, steps, pe, style, shared, 1)
    for mw, mh, pe, simd in LARGE:
        values = ("mvau", "BIPOLAR", "BIPOLAR", mw, mh, 1, pe, simd, "block", "compare", 0, 0)
        yield sample_of(values)
        if pe * simd <= 512:
            values = ("mvau", "BIPOLAR", "INT2", mw, mh, 3, pe, simd, "block", "search", 0, 0)
            yield sample_of(values)
    for mw, mh, pe, simd in TABLES:
        values = ("mvau", "BIPOLAR", "INT2", mw, mh, 3, pe, simd, "lut", "table", 0, 0)
        yield sample_of(values)
    for weight, activation, mw, mh, pe, simd in CONVOLUTIONS:
        steps = 3 if activation == "INT2" or weight == "INT2" else 1
        ram = "block" if (mh // pe) * (mw // simd) >= 64 else "lut"
        values = ("mvau", weight, activation, mw, mh, steps, pe, simd, ram, "compare", 0, 0)
        yield sample_of(values)
    for weight, activation in WIDE_KINDS:
        bits = DataType(weight).bits * DataType(activation).bits
        steps = DataType(activation).max - DataType(activation).min
        for _ in range(14):
            mw, mh = draw.choice([(64, 64), (128, 32), (60, 24), (256, 64), (64, 10)])
            pe, simd = draw.choice(divisors(mh)), draw.choice(divisors(mw))
            depth, style = (mh // pe) * (mw // simd), draw.choice(["compare", "search", "search"])
            if pe * simd * bits > 1024 or (style == "compare" and pe * steps > 64):
                continue
            if mh == 10:
                steps_here, style = 0, "compare"
            else:
                steps_here = steps
            ram = "block" if depth >= 64 else "lut"
            values = ("mvau", weight, activation, mw, mh, steps_here, pe, simd, ram, style, 0, 0)
            yield sample_of(values)
    for activation in ("BIPOLAR", "INT2", "UINT4", "INT8"):
        for channels, row, kernel, pe, style in WINDOWS:
            if pe * DataType(activation).bits <= 256:
                values = (
                    "swg", "", activation, channels, row, kernel, pe, pe, style, "compare", 0, 0
                )  # fmt: skip
                yield sample_of(values)
        for channels, row, kernel, style in WHOLE_WINDOWS:
            pe = kernel * kernel * channels
            if pe * DataType(activation).bits <= 1200:
                values = (
                    "swg", "", activation, channels, row, kernel, pe, channels, style, "compare",
                    0, 0,
                )  # fmt: skip
                yield sample_of(values)
        for channels, row, kernel, pe, style, pruned in PRUNED_WINDOWS:
            if pe * DataType(activation).bits <= 256:
                values = (
                    "swg", "", activation, channels, row, kernel, pe, pe, style, "compare", 0, 0
                )  # fmt: skip
                yield sample_of(values, pruned)
        for channels, row, kernel, style, pruned in PRUNED_WHOLE_WINDOWS:
            pe = len(kept_of(kernel * kernel * channels, 1, pruned))
            if pe * DataType(activation).bits <= 1200:
                values = (
                    "swg", "", activation, channels, row, kernel, pe, channels, style,
                    "compare", 0, 0,
                )  # fmt: skip
                yield sample_of(values, pruned)
        for elements, lanes in SELECTED if activation in ("BIPOLAR", "UINT4") else ():
            values = (
                "select", "", activation, elements, 1, 1, lanes, lanes, "lut", "compare", 0, 0
            )  # fmt: skip
            yield sample_of(values, 50)
        for channels, row, pe in ((64, 28, 1), (64, 28, 16), (128, 10, 4), (16, 8, 16)):
            values = ("max_pool", "", activation, channels, row, 2, pe, pe, "lut", "compare", 0, 0)
            yield sample_of(values)
    for activation in ("INT2", "UINT4", "INT8"):
        for channels, row, pe in ((64, 8, 1), (64, 4, 16), (512, 4, 4), (64, 8, 64)):
            for kind in ("sum_pool", "fork", "add"):
                values = (kind, "", activation, channels, row, 0, pe, pe, "lut", "compare", 0, 0)
                yield sample_of(values)
        for factor, pe in ((3, 16), (-5, 16), (7, 16), (11, 16), (3, 1), (7, 4), (-1, 4)):
            values = ("add", "", activation, 64, 4, factor, pe, pe, "lut", "compare", 0, 0)
            yield sample_of(values)
        for channels, row, kernel, pe in (
            (64, 8, 2, 1),
            (64, 8, 4, 16),
            (16, 28, 2, 4),
            (8, 9, 3, 8),
        ):
            values = (
                "sum_pool",
                "",
                activation,
                channels,
                row,
                kernel,
                pe,
                pe,
                "lut",
                "compare",
                0,
                0,
            )
            yield sample_of(values)
        for channels, row, pe in ((3, 32, 1), (64, 16, 64), (64, 16, 4)):
            values = ("pad", "", activation, channels, row, 1, pe, pe, "lut", "compare", 0, 0)
            yield sample_of(values)


def sample_of(values: tuple[str | int, ...], pruned: int = 0) -> dict[str, str | int]:
    return dict(zip(FIELDS, (*values, pruned), strict=True))


def kept_of(elements: int, block: int, pruned: int) -> tuple[int, ...]:
    """Random blocks of the elements without a percentage of them."""
    blocks = elements // block
    left = random.Random(pruned).sample(range(blocks), max(1, blocks * (100 - pruned) // 100))
    return tuple(block * b + k for b in sorted(left) for k in range(block))


def threshold(
    activation: str, channels: int, steps: int, pe: int, style: str, shared: int, falls: int = 0
) -> dict[str, str | int]:
    values = (
        "threshold", "", activation, channels, channels, steps, pe, pe, "lut", style, shared, falls
    )  # fmt: skip
    return sample_of(values)


def network(sample: dict[str, str | int], rng: np.random.Generator) -> HardwareGraph:
    """One layer with random contents."""
    mw, mh, steps = int(sample["mw"]), int(sample["mh"]), int(sample["steps"])
    activation = DataType(str(sample["activation"]))
    offset = 0 if activation.bipolar else activation.min
    layer: Layer
    other: dict[str, Edge] = {}
    if sample["kind"] == "threshold":
        source, target = Edge("x", DataType("UINT8"), (mw,)), Edge("y", activation, (mw,))
        shape = (1 if sample["shared"] else mw, steps)
        limits = np.sort(rng.integers(1, 255, shape), axis=1).repeat(mw // shape[0], axis=0)
        falling = rng.integers(0, 2, mw) > 0 if sample["falls"] else None
        if falling is not None and sample["shared"]:
            falling[:] = True
        layer = Threshold("layer", "x", "y", (), limits, offset, falling)
    elif sample["kind"] in MAP_KINDS:
        kernel, size = (steps, steps), (mh, mh, mw)
        source = Edge("x", activation, size)
        other = {"z": Edge("z", activation, size)}
        if sample["kind"] == "swg":
            side, pruned = mh - steps + 1, int(sample["pruned"])
            block = 1 if sample["pe"] != sample["simd"] else int(sample["pe"])
            kept = kept_of(steps * steps * mw, block, pruned) if pruned else None
            layer = SlidingWindow("layer", "x", "y", (), kernel, (1, 1), kept)
            target = Edge("y", activation, (side, side, layer.elements(source)))
        elif sample["kind"] == "select":
            layer = Select("layer", "x", "y", (), kept_of(mw, int(sample["pe"]), 50))
            target = Edge("y", activation, (len(layer.kept),))
        elif sample["kind"] == "max_pool":
            layer = MaxPool("layer", "x", "y", (), kernel)
            target = Edge("y", activation, (mh // steps, mh // steps, mw))
        elif sample["kind"] == "pad":
            layer = Pad("layer", "x", "y", (), (1, 1), (1, 1))
            target = Edge("y", activation, (mh + 2, mh + 2, mw))
        elif sample["kind"] == "sum_pool":
            layer = SumPool("layer", "x", "y", (), 0, kernel if steps else None)
            side = mh // steps if steps else 1
            target = Edge("y", DataType.smallest(*layer.range(source)), (side, side, mw))
        elif sample["kind"] == "fork":
            layer = Fork("layer", "x", "y", (), "z")
            target = Edge("y", activation, size)
        else:
            layer = Add("layer", "x", "y", (), "z", (1, steps or 1))
            target = Edge("y", DataType.smallest(*layer.range(source, other["z"])), size)
    elif sample["kind"] == "label_select":
        source = Edge("x", activation, (mw,))
        target = Edge("y", DataType.smallest(0, mw - 1), (1,))
        layer = LabelSelect("layer", "x", "y", ())
    else:
        source = Edge("x", activation, (mw,))
        weight = DataType(str(sample["weight"]))
        popcount = weight.bipolar and activation.bipolar
        shape = (mh, mw)
        weights = rng.integers(-weight.max, weight.max + 1, shape)
        if weight.bipolar:
            weights = rng.choice([-1, 1], shape)
        low, high = (0, mw) if popcount else accumulator_range(weights, activation)
        accumulator = DataType.smallest(low, high + (steps > 0))
        target = Edge("y", activation if steps else accumulator, (mh,))
        middle = (low + high) // 2
        # many thresholds spread as accumulators do: where few bits differ, Yosys keeps few
        spread = max(mw, high - low if steps > 3 else 0) // 8 + 1
        near = rng.integers(middle - spread, middle + spread, (mh, max(steps, 1)))
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
            offset=offset,
        )
    edges = {"x": source, "y": target, **other}
    return HardwareGraph("calibration", InputSpec(shape=(1, mw, 1)), edges, (layer,))


def measure() -> None:
    """Synthesises what OUT does not hold yet; delete lines of what the RTL changed."""
    known = {}
    if OUT.exists():
        with OUT.open(newline="") as file:
            known = {tuple(row[name] for name in FIELDS): row for row in csv.DictReader(file)}
    with OUT.open("w", newline="") as file, tempfile.TemporaryDirectory() as work:
        writer = csv.DictWriter(file, [*FIELDS, *MEASURED])
        writer.writeheader()
        drawn = {tuple(map(str, sample.values())): sample for sample in samples()}
        for key, sample in drawn.items():
            if key in known:
                writer.writerow(known[key])
                continue
            graph = network(sample, np.random.default_rng(1))
            layer, fold = graph.layers[0], fold_of({k: str(v) for k, v in sample.items()})
            used = utilisation(
                graph, layer, fold, ENGINE, "zynq-7000", Path(work), Path(work) / "logs"
            )
            compared = layer.accumulator if isinstance(layer, Mvau) else graph.source.dtype
            counts = {"acc_bits": compared.bits, **used.document()}
            writer.writerow({**sample, **{name: counts[name] for name in MEASURED}})
            file.flush()
            print(*sample.values(), counts, flush=True)


def fold_of(row: Mapping[str, str]) -> Fold:
    style: ThresholdStyle = "compare"
    if row["threshold_style"] != style:
        style = "table" if row["threshold_style"] == "table" else "search"
    ram: RamStyle = "block" if row["ram_style"] == "block" else "lut"
    return Fold(int(row["pe"]), int(row["simd"]), ram, style)


def measurements() -> Iterator[tuple[Shape, dict[str, float]]]:
    """The synthesised layers, as the cost model sees them, with their counts."""
    yield from unstructured.measurements()
    with OUT.open(newline="") as file:
        for row in csv.DictReader(file):
            counts = {name: float(row[name]) for name in ("lut", "ff", "bram36")}
            if row["kind"] in MAP_KINDS:
                graph = network(dict(row), np.random.default_rng(1))
                yield shape_of(graph.layers[0], graph.source, fold_of(row)), counts
                continue
            weight = DataType(row["weight"]) if row["weight"] else None
            activation = DataType(row["activation"])
            yield (
                Shape(
                    row["kind"],
                    8 if row["kind"] == "threshold" else activation.bits,
                    weight.bits if weight else 0,
                    bool(weight and weight.bipolar and activation.bipolar),
                    int(row["mw"]),
                    int(row["mh"]),
                    int(row["steps"]),
                    int(row["acc_bits"]),
                    row["shared"] == "1",
                    fold_of(row),
                    falls=row["falls"] == "1",
                ),
                counts,
            )


def fit(rows: list[tuple[Shape, dict[str, float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative coefficients of `terms` of the least squared relative error, and the errors."""
    luts = np.array([counts["lut"] for _, counts in rows])
    matrix = np.array([terms(shape) for shape, _ in rows]) / luts[:, None]
    coefficients = nnls(matrix, np.ones(len(luts)))[0]
    return coefficients, matrix @ coefficients - 1


def write_fit() -> None:
    document = {}
    rows = list(measurements())
    for kind in dict.fromkeys(shape.model for shape, _ in rows):
        chosen = [row for row in rows if row[0].model == kind]
        coefficients, errors = fit(chosen)
        left_out = [
            fit(chosen[:i] + chosen[i + 1 :])[0] @ terms(shape) / counts["lut"] - 1
            for i, (shape, counts) in enumerate(chosen)
        ]
        document[kind] = {
            "coefficients": [round(float(value), 4) for value in coefficients],
            "layers": len(chosen),
            "mean_error": round(float(np.abs(errors).mean()), 4),
            "mean_error_left_out": round(float(np.abs(left_out).mean()), 4),
            "greatest_error": round(float(np.abs(errors).max()), 4),
        }
        print(kind, document[kind])
    for shape, counts in rows:
        if bram18(shape) != 2 * counts["bram36"]:
            print("block RAM differs:", bram18(shape) / 2, "estimated,", counts["bram36"], shape)
    COEFFICIENTS.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["fit"]:
        measure()
    write_fit()
