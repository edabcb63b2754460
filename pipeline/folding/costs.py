"""What a fold costs with the open engine: cycles in closed form, LUTs fitted, block RAMs counted.

The LUT model of each layer kind is linear in terms that follow the RTL (a dot product's tables grow
with PE x SIMD, comparators with PE x steps, ROMs with their words and width). Its coefficients
(open_costs.json, with the errors of the fit) come from benchmarks/calibrate_costs.py, which fits
them to synthesised layers. 7-series counts; UltraScale+ LUTs are alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import ceil, lcm, log2
from pathlib import Path

from pipeline.folding.choice import Fold, cycles, input_lanes, output_lanes
from pipeline.folding.search import Option, Space
from pipeline.hardware.graph import Edge, HardwareGraph, LabelSelect, Layer, Mvau, Threshold

COEFFICIENTS = Path(__file__).with_name("open_costs.json")
RAMB18_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Depth and width of a RAMB18 (UG473); two of them make a RAMB36 of twice the width or depth."""
LEAST_BLOCK_DEPTH = 64
"""A weight memory of fewer words is left in LUTs: a LUT6 is a ROM of 64 words."""


@dataclass(frozen=True)
class Shape:
    """What the cost of a layer depends on."""

    kind: str
    input_bits: int
    weight_bits: int
    popcount: bool
    mw: int
    mh: int
    steps: int
    acc_bits: int
    fold: Fold

    @property
    def words(self) -> int:
        """Words of the weight memory: tiles of an image's vector."""
        return (self.mh // self.fold.pe) * (self.mw // self.fold.simd)

    @property
    def word_bits(self) -> int:
        return self.fold.pe * self.fold.simd * self.weight_bits


def shape_of(layer: Layer, source: Edge, fold: Fold) -> Shape:
    """The cost parameters of `layer` folded as `fold`."""
    bits, channels = source.dtype.bits, source.channels
    if isinstance(layer, Mvau):
        steps = 0 if layer.thresholds is None else layer.thresholds.shape[1]
        return Shape(
            layer.kind,
            bits,
            layer.weight_dtype.bits,
            layer.popcount,
            layer.mw,
            layer.mh,
            steps,
            layer.accumulator.bits,
            fold,
        )
    steps = layer.thresholds.shape[1] if isinstance(layer, Threshold) else 0
    return Shape(layer.kind, bits, 0, False, channels, channels, steps, bits, fold)


def bram18(shape: Shape) -> int:
    """RAMB18 halves of the weight memory: the fewest that tile its words and bits."""
    if shape.fold.ram_style != "block" or shape.kind != "mvau":
        return 0
    # the address is {fold, step} where rounding the steps up costs no address bit, see mvau.v
    steps, folds = shape.mw // shape.fold.simd, shape.mh // shape.fold.pe
    padded = folds * (1 << ceil(log2(steps)))
    same_bits = ceil(log2(padded)) == ceil(log2(shape.words)) if shape.words > 1 else True
    depth = padded if same_bits else shape.words
    return min(ceil(depth / words) * ceil(shape.word_bits / bits) for words, bits in RAMB18_SHAPES)


def _rom_luts(words: int, bits: int) -> float:
    """LUTs of a ROM with arbitrary contents: 64 words of a bit a LUT6, wider ones multiplexed."""
    if words <= 1:
        return 0.0
    if words <= 64:
        return bits * min(1.0, words / 32)
    return bits * (words / 64) * 4 / 3


def terms(shape: Shape) -> list[float]:
    """The terms of the LUT model, in LUT-like units."""
    pe, simd, acc = shape.fold.pe, shape.fold.simd, shape.acc_bits
    if shape.kind == "label_select":
        return [1.0, pe * acc, log2(shape.mw) * pe]
    if shape.kind == "threshold":
        return [1.0, pe * shape.steps * acc]
    folds, steps = shape.mh // pe, shape.mw // simd
    products = pe * simd * shape.weight_bits * shape.input_bits
    buffered = simd * shape.input_bits if folds > 1 else 0
    tables = _rom_luts(shape.words, shape.word_bits) if shape.fold.ram_style == "lut" else 0.0
    deep = buffered * ceil(steps / 32) * 4 / 6
    return [
        1.0,
        log2(shape.words + 1),
        products if shape.popcount else 0.0,
        0.0 if shape.popcount or shape.weight_bits > 1 else products,
        products if shape.weight_bits > 1 else 0.0,
        float(pe * acc),
        _rom_luts(folds, pe * acc) * max(1, shape.steps),
        float(pe * acc * shape.steps) if shape.steps > 1 else 0.0,
        deep,
        tables,
    ]


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
    for fold in folds(layer, source, target):
        shape = shape_of(layer, source, fold)
        found.append(
            Option(
                fold,
                cycles(layer, fold, source),
                input_lanes(layer, fold),
                output_lanes(layer, fold),
                lut(shape),
                bram18(shape),
            )
        )
    return found


def folds(layer: Layer, source: Edge, target: Edge) -> Iterator[Fold]:
    """Every legal fold: SIMD | MW, PE | MH; PE | C for the others."""
    if isinstance(layer, Mvau):
        for pe in divisors(layer.mh):
            for simd in divisors(layer.mw):
                yield Fold(pe, simd, "lut")
                if (layer.mh // pe) * (layer.mw // simd) >= LEAST_BLOCK_DEPTH:
                    yield Fold(pe, simd, "block")
        return
    channels = source.channels if isinstance(layer, LabelSelect) else target.channels
    for pe in divisors(channels):
        yield Fold(pe, pe)


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def space(graph: HardwareGraph) -> Space:
    """The design space of a graph whose layers form a chain."""
    layers = graph.layers
    bits = [graph.edges[layer.input].dtype.bits for layer in layers]
    return Space(
        tuple(layer.id for layer in layers),
        tuple(
            tuple(options(layer, graph.edges[layer.input], graph.edges[layer.output]))
            for layer in layers
        ),
        lambda i, producer, consumer: junction_luts(bits[i], producer, consumer),
        graph.source.dtype.bits,
    )
