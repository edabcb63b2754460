"""Synthesises layers over a grid of shapes and folds: the measurements behind the cost model.

    python benchmarks/calibrate_costs.py          # half an hour on one core
    python benchmarks/calibrate_costs.py fit      # only fit again, to the measurements there are

Writes benchmarks/open_costs.csv (synthesised, 7-series) and pipeline/folding/open_costs.json, the
coefficients that pipeline/folding/costs.py reads. Run it again when the RTL library or Yosys
changes.
"""

from __future__ import annotations

import csv
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from pipeline.folding.choice import Fold, RamStyle
from pipeline.folding.costs import COEFFICIENTS, Shape, bram18, terms
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import (
    Edge,
    HardwareGraph,
    LabelSelect,
    Layer,
    Mvau,
    Threshold,
    accumulator_range,
)
from pipeline.synthesis.layers import utilisation
from specs.network import InputSpec

OUT = Path(__file__).with_name("open_costs.csv")
FIELDS = ["kind", "weight", "activation", "mw", "mh", "steps", "pe", "simd", "ram_style"]
MEASURED = ["acc_bits", "lut", "ff", "bram36", "carry", "inv"]
SHAPES = [(784, 64), (64, 64), (64, 10), (256, 256), (784, 256), (128, 32), (60, 24), (1024, 64)]
KINDS = [("BIPOLAR", "BIPOLAR"), ("BIPOLAR", "INT2"), ("INT2", "INT2")]


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
            values = ("mvau", weight, activation, mw, mh, steps, pe, simd, style)
            yield dict(zip(FIELDS, values, strict=True))
    for activation in ("BIPOLAR", "INT2"):
        for pe in (1, 2, 4, 8, 16):
            steps = 1 if activation == "BIPOLAR" else 3
            for channels in (784, 64):
                values = ("threshold", "", activation, channels, channels, steps, pe, pe, "lut")
                yield dict(zip(FIELDS, values, strict=True))
    for classes, bits in ((10, 7), (10, 8), (16, 12), (100, 9)):
        for pe in divisors(classes)[:4]:
            values = ("label_select", "", f"INT{bits}", classes, classes, 0, pe, pe, "lut")
            yield dict(zip(FIELDS, values, strict=True))


def network(sample: dict[str, str | int], rng: np.random.Generator) -> HardwareGraph:
    """One layer with random contents."""
    mw, mh, steps = int(sample["mw"]), int(sample["mh"]), int(sample["steps"])
    activation = DataType(str(sample["activation"]))
    offset = 0 if activation.bipolar else activation.min
    layer: Layer
    if sample["kind"] == "threshold":
        source, target = Edge("x", DataType("UINT8"), (mw,)), Edge("y", activation, (mw,))
        limits = np.sort(rng.integers(1, 255, (1, steps))).repeat(mw, axis=0)
        layer = Threshold("layer", "x", "y", (), thresholds=limits, offset=offset)
    elif sample["kind"] == "label_select":
        source = Edge("x", activation, (mw,))
        target = Edge("y", DataType.smallest(0, mw - 1), (1,))
        layer = LabelSelect("layer", "x", "y", ())
    else:
        source = Edge("x", activation, (mw,))
        weight = DataType(str(sample["weight"]))
        popcount = weight.bipolar and activation.bipolar
        shape = (mh, mw)
        weights = rng.choice([-1, 1], shape) if weight.bipolar else rng.integers(-1, 2, shape)
        low, high = (0, mw) if popcount else accumulator_range(weights, activation)
        accumulator = DataType.smallest(low, high + (steps > 0))
        target = Edge("y", activation if steps else accumulator, (mh,))
        middle = (low + high) // 2
        near = rng.integers(middle - mw // 8 - 1, middle + mw // 8 + 1, (mh, max(steps, 1)))
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
    edges = {"x": source, "y": target}
    return HardwareGraph("calibration", InputSpec(shape=(1, mw, 1)), edges, (layer,))


def measure() -> None:
    rng = np.random.default_rng(1)
    with OUT.open("w", newline="") as file, tempfile.TemporaryDirectory() as work:
        writer = csv.DictWriter(file, [*FIELDS, *MEASURED])
        writer.writeheader()
        for sample in samples():
            graph = network(sample, rng)
            layer = graph.layers[0]
            fold = Fold(int(sample["pe"]), int(sample["simd"]), _style(str(sample["ram_style"])))
            used = utilisation(graph, layer, fold, "zynq-7000", Path(work), Path(work) / "logs")
            compared = layer.accumulator if isinstance(layer, Mvau) else graph.source.dtype
            counts = {"acc_bits": compared.bits, **used.document()}
            writer.writerow({**sample, **{name: counts[name] for name in MEASURED}})
            file.flush()
            print(*sample.values(), counts, flush=True)


def _style(name: str) -> RamStyle:
    return "block" if name == "block" else "lut"


def measurements() -> Iterator[tuple[Shape, dict[str, float]]]:
    """The synthesised layers, as the cost model sees them, with their counts."""
    with OUT.open(newline="") as file:
        for row in csv.DictReader(file):
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
                    Fold(int(row["pe"]), int(row["simd"]), _style(row["ram_style"])),
                ),
                {name: float(row[name]) for name in ("lut", "ff", "bram36")},
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
    for kind in dict.fromkeys(shape.kind for shape, _ in rows):
        chosen = [row for row in rows if row[0].kind == kind]
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
