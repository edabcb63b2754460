"""The cost of a fold with the engine `open`: exact cycles, fitted LUTs, counted block RAMs.

The LUT model of each layer kind is a linear combination of terms. benchmarks/calibrate_costs.py
fits its coefficients to synthesised layers and writes them, with the errors of the fit, to
costs.json. They are fitted for 7-series; LUT counts for UltraScale+ are similar.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from math import lcm
from pathlib import Path

from pipeline.engines.open.shapes import Shape, bram18, shape_of
from pipeline.engines.open.shell import signature_luts
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
    pairs = zip(_coefficients()[shape.model], terms(shape), strict=True)
    return round(sum(coefficient * term for coefficient, term in pairs))


@cache
def _coefficients() -> dict[str, list[float]]:
    document = json.loads(COEFFICIENTS.read_text())
    return {model: fitted["coefficients"] for model, fitted in document.items()}


def junction_luts(bits: int, producer: int, consumer: int) -> int:
    """Estimated LUTs of a width converter from `producer` to `consumer` lanes of `bits` each.

    The figures were measured on single converters. Collecting beats takes a counter (6 LUTs).
    Splitting them also takes a LUT for each bit that is shifted out.
    """
    if producer == consumer:
        return 0
    middle = lcm(producer, consumer)
    collect = 6 if middle > producer else 0
    split = 8 + middle * bits if middle > consumer else 0
    return collect + split


def options(layer: Layer, source: Edge, target: Edge) -> list[Option]:
    """Every legal fold of one layer, with its costs."""
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
    """The shape with the threshold style that costs least: LUTs, and 190 LUTs for each RAMB18.

    Each layer can choose by itself, because the style changes neither cycles nor lanes. The first
    style wins if several cost the same.
    """
    return min(
        (replace(shape, fold=replace(shape.fold, threshold_style=style)) for style in styles),
        key=lambda found: lut(found) + LUTS_OF_A_BRAM18 * bram18(found),
    )


def space(graph: HardwareGraph, *, signatures: bool = False) -> Space:
    """The design space of a graph: a chain of layers, and of blocks between a fork and a join.

    With `signatures` the LUTs of each option include those of the signatures of its outputs; the
    first layer's also that of the network's input.
    """
    layers = graph.layers
    bits = [graph.edges[layer.input].dtype.bits for layer in layers]
    other = [graph.edges[layer.inputs[-1]].dtype.bits for layer in layers]
    writer = {edge: i for i, layer in enumerate(layers) for edge in layer.outputs}
    before = tuple(tuple(writer[e] for e in layer.inputs if e in writer) for layer in layers)
    return Space(
        tuple(layer.id for layer in layers),
        tuple(tuple(_options(graph, layer, signatures)) for layer in layers),
        lambda i, producer, consumer: junction_luts(bits[i], producer, consumer),
        graph.source.dtype.bits,
        before,
        lambda i, producer, consumer: junction_luts(other[i], producer, consumer),
        SEARCHED,
    )


def _options(graph: HardwareGraph, layer: Layer, signatures: bool) -> list[Option]:
    source = graph.edges[layer.input]
    plain = options(layer, source, graph.edges[layer.output])
    if not signatures:
        return plain
    out = [graph.edges[edge].dtype.bits for edge in layer.outputs]
    first = layer is graph.layers[0]
    found = []
    for option in plain:
        added = sum(signature_luts(bits * option.output_lanes) for bits in out)
        added += signature_luts(source.dtype.bits * option.input_lanes) if first else 0
        found.append(replace(option, lut=option.lut + added))
    return found
