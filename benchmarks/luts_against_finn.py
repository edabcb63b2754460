"""Compares LUTs and block RAM of one matrix-vector unit: synthesised, and estimated by us and FINN.

    .venv/bin/python benchmarks/luts_against_finn.py            # minutes
    .venv/bin/python benchmarks/luts_against_finn.py --quick    # one small layer

Our figures are Yosys' netlist for 7-series of the layer alone, with random weights and in-line
thresholds, and the estimate of our cost model. FINN's figures are the formulas of its HLS unit,
with the same shape, in-line thresholds, weights in the same kind of memory, and multipliers in
LUTs; no vendor tool runs. With weights and activations of 2 bits or more FINN would choose its RTL
unit; the estimate of that one is shown too, in DSPs, because FINN estimates no LUTs for it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.engines.open import ENGINE, costs
from pipeline.engines.open.layers import utilisation
from pipeline.engines.open.shapes import bram18, shape_of
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, RamStyle
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Mvau

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import calibrate_costs, finn_steps, table

PART = "xc7z020clg400-1"
KINDS = (("BIPOLAR", "BIPOLAR"), ("BIPOLAR", "INT2"), ("INT2", "INT2"), ("INT4", "INT4"))
"""Datatypes of weights and of activations."""
SHAPES: tuple[tuple[int, int, int, int, RamStyle], ...] = (
    (64, 64, 4, 8, "lut"),
    (64, 64, 16, 16, "lut"),
    (784, 64, 4, 16, "block"),
    (256, 256, 8, 16, "block"),
    (1024, 1024, 8, 32, "block"),
)
"""MW, MH, PE, SIMD and where the weights are."""


@dataclass(frozen=True)
class Point:
    weight: str
    activation: str
    mw: int
    mh: int
    fold: Fold

    @property
    def steps(self) -> int:
        return (1 << DataType(self.activation).bits) - 1


def grid(quick: bool) -> Iterator[Point]:
    if quick:
        yield Point("BIPOLAR", "BIPOLAR", 16, 8, Fold(2, 4))
        return
    for weight, activation in KINDS:
        for mw, mh, pe, simd, style in SHAPES:
            yield Point(weight, activation, mw, mh, Fold(pe, simd, style))


def layer_of(point: Point) -> HardwareGraph:
    """The one layer, as the cost model's calibration draws it."""
    sample: dict[str, str | int] = {
        "kind": "mvau",
        "weight": point.weight,
        "activation": point.activation,
        "mw": point.mw,
        "mh": point.mh,
        "steps": point.steps,
    }
    return calibrate_costs.network(sample, np.random.default_rng(1))


def finn_node(point: Point, accumulator: DataType, implementation: str) -> Any:
    """FINN's operator with the same parameters; `implementation`: hls or rtl."""
    from onnx import helper  # noqa: PLC0415
    from qonnx.custom_op.registry import getCustomOp  # noqa: PLC0415

    xnor = point.weight == point.activation == "BIPOLAR"
    node = helper.make_node(
        f"MVAU_{implementation}",
        ["x", "w", "t"],
        ["y"],
        domain=f"finn.custom_op.fpgadataflow.{implementation}",
        backend="fpgadataflow",
        MW=point.mw,
        MH=point.mh,
        PE=point.fold.pe,
        SIMD=point.fold.simd,
        inputDataType="BINARY" if xnor else point.activation,
        weightDataType="BINARY" if xnor else point.weight,
        accDataType=accumulator.name,
        outputDataType=point.activation,
        binaryXnorMode=int(xnor),
        noActivation=0,
        numInputVectors=[1],
        mem_mode="internal_decoupled",
        ram_style="distributed" if point.fold.ram_style == "lut" else "block",
        ram_style_thresholds="distributed",
        resType="lut",
    )
    return getCustomOp(node)


def row(point: Point, work: Path) -> tuple[object, ...]:
    graph = layer_of(point)
    layer = graph.layers[0]
    assert isinstance(layer, Mvau)
    used = utilisation(graph, layer, point.fold, ENGINE, "zynq-7000", work, work / "design")
    shape = shape_of(layer, graph.source, point.fold)
    hls = finn_node(point, layer.accumulator, "hls")
    lut = int(hls.lut_estimation(PART))
    with_rtl = "BIPOLAR" not in (point.weight, point.activation)
    return (
        f"{point.weight} x {point.activation}",
        f"{point.mw} x {point.mh}",
        point.fold.pe,
        point.fold.simd,
        point.fold.ram_style,
        used.lut,
        costs.lut(shape),
        lut,
        f"{lut / used.lut:.2f}",
        f"{used.bram36:g}",
        f"{bram18(shape) / 2:g}",
        f"{hls.bram_estimation(PART) / 2:g}",
        finn_node(point, layer.accumulator, "rtl").dsp_estimation(PART) if with_rtl else "-",
    )


COLUMNS = (
    "weights x activations", "MW x MH", "PE", "SIMD", "weights in",
    "LUT\nours\nsynthesised", "LUT\nours\nestimated", "LUT\nFINN\nestimated", "FINN /\nsynthesised",
    "BRAM36\nours\nsynthesised", "BRAM36\nours\nestimated", "BRAM36\nFINN\nestimated",
    "DSP\nFINN's RTL\nestimated",
)  # fmt: skip


def main() -> None:
    quick = table.options(__doc__).quick
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        finn_steps.bootstrap(work)
        rows = [row(point, work) for point in grid(quick)]
    table.show("One matrix-vector unit, 7-series", COLUMNS, rows)


if __name__ == "__main__":
    main()
