"""What a fold costs with the open engine: cycles in closed form, LUTs fitted, block RAMs counted.

The LUT model of each layer kind is linear in its terms. The coefficients (costs.json, with the
errors of the fit) come from benchmarks/calibrate_costs.py, which fits them to synthesised layers.
7-series counts; UltraScale+ LUTs are alike.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from math import lcm
from pathlib import Path

from pipeline.engines.open.shapes import Shape, bram18, shape_of
from pipeline.engines.open.terms import terms
from pipeline.engines.space import Option, Space
from pipeline.hardware.fold import ThresholdStyle
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, Layer
from pipeline.rtl.folds import SEARCHED, cycles, folds, output_lanes, threshold_styles
from pipeline.rtl.ram import LUTS_OF_A_BRAM18

COEFFICIENTS = Path(__file__).with_name("costs.json")


def lut(shape: Shape) -> int:
    """Estimated LUTs of a layer."""
    pairs = zip(_coefficients()[shape.kind], terms(shape), strict=True)
    return round(sum(coefficient * term for coefficient, term in pairs))


@cache
def _coefficients() -> dict[str, list[float]]:
    document = json.loads(COEFFICIENTS.read_text())
    return {kind: fitted["coefficients"] for kind, fitted in document.items()}


def junction_luts(bits: int, producer: int, consumer: int) -> int:
    """Estimated LUTs of the width converter from `producer` to `consumer` lanes of `bits`.

    Measured on single converters: collecting takes a counter (6 LUTs), splitting also a table for
    each bit that is shifted out.
    """
    if producer == consumer:
        return 0
    middle = lcm(producer, consumer)
    collect = 6 if middle > producer else 0
    split = 8 + middle * bits if middle > consumer else 0
    return collect + split


def options(layer: Layer, source: Edge, target: Edge) -> list[Option]:
    """Every legal fold of one layer with what it costs."""
    found = []
    styles = threshold_styles(layer, source)
    for plain in folds(layer, source):
        shape = cheapest_style(shape_of(layer, source, plain), styles)
        fold = shape.fold
        found.append(
            Option(
                fold,
                cycles(layer, fold, source),
                fold.simd,
                output_lanes(layer, fold),
                lut(shape),
                bram18(shape),
            )
        )
    return found


def cheapest_style(shape: Shape, styles: tuple[ThresholdStyle, ...]) -> Shape:
    """With the threshold style of the least LUTs, a RAMB18 at its price; of equals the first.

    Chosen layer by layer: a style changes neither cycles nor lanes.
    """
    return min(
        (replace(shape, fold=replace(shape.fold, threshold_style=style)) for style in styles),
        key=lambda found: lut(found) + LUTS_OF_A_BRAM18 * bram18(found),
    )


def space(graph: HardwareGraph) -> Space:
    """The design space of a graph: a chain of layers and of blocks between a fork and a join."""
    layers = graph.layers
    bits = [graph.edges[layer.input].dtype.bits for layer in layers]
    other = [graph.edges[layer.inputs[-1]].dtype.bits for layer in layers]
    writer = {edge: i for i, layer in enumerate(layers) for edge in layer.outputs}
    before = tuple(tuple(writer[e] for e in layer.inputs if e in writer) for layer in layers)
    return Space(
        tuple(layer.id for layer in layers),
        tuple(
            tuple(options(layer, graph.edges[layer.input], graph.edges[layer.output]))
            for layer in layers
        ),
        lambda i, producer, consumer: junction_luts(bits[i], producer, consumer),
        graph.source.dtype.bits,
        before,
        lambda i, producer, consumer: junction_luts(other[i], producer, consumer),
        SEARCHED,
    )
