"""What a fold costs with the open engine: cycles in closed form, LUTs fitted, block RAMs counted.

The LUT model of each layer kind is linear in terms that follow the RTL (a dot product's tables grow
with PE x SIMD, comparators with PE x steps, ROMs with their words and width). Its coefficients
(costs.json, with the errors of the fit) come from benchmarks/calibrate_costs.py, which fits
them to synthesised layers. 7-series counts; UltraScale+ LUTs are alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, lcm, log2
from pathlib import Path

from pipeline.engines.space import Option, Space
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, ThresholdStyle
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Edge,
    Layer,
    MaxPool,
    Mvau,
    SlidingWindow,
    SumPool,
    Threshold,
    shares_thresholds,
)
from pipeline.rtl.folds import (
    cycles,
    is_whole_window,
    lanes,
    output_lanes,
    threshold_styles,
    whole_window,
)
from pipeline.rtl.ram import (
    LUTS_OF_A_BRAM18,
    block_level,
    lut_ram_luts,
    ramb18s,
    rom_luts,
    search_levels,
)
from pipeline.rtl.windows import WINDOWS, swg_depth

COEFFICIENTS = Path(__file__).with_name("costs.json")
LEAST_BLOCK_DEPTH = 64
"""A weight memory of fewer words is left in LUTs: a LUT6 is a ROM of 64 words."""


@dataclass(frozen=True)
class Shape:
    """What the cost of a layer depends on.

    acc_bits: of the values that thresholds meet, labels are selected from, or of sums. shared: all
    channels have the same thresholds, which are kept once. ring: words of a window's or a pool's
    memory. above: of a whole window the rows above a pixel, which are a word of that memory.
    """

    kind: str
    input_bits: int
    weight_bits: int
    popcount: bool
    mw: int
    mh: int
    steps: int
    acc_bits: int
    shared: bool
    fold: Fold
    ring: int = 0
    above: int = 0

    @property
    def ring_bits(self) -> int:
        """Width of a word of a window's memory."""
        return max(1, self.above) * self.fold.simd * self.input_bits

    @property
    def words(self) -> int:
        """Words of the weight memory: tiles of an image's vector."""
        return (self.mh // self.fold.pe) * (self.mw // self.fold.simd)

    @property
    def word_bits(self) -> int:
        return self.fold.pe * self.fold.simd * self.weight_bits

    @property
    def threshold_folds(self) -> int:
        """Rows of thresholds in a lane's memory."""
        return 1 if self.shared else self.mh // self.fold.pe

    @property
    def compared_bits(self) -> int:
        """Bits of a threshold in the comparing styles, see rtl/layers.py."""
        return self.acc_bits + 1 if self.kind == "threshold" else self.acc_bits

    @property
    def search_memories(self) -> tuple[list[int], list[int]]:
        """Words of a lane's memories of a binary search: those in LUTs, those in block RAM."""
        if self.fold.threshold_style != "search":
            return [], []
        words = [self.threshold_folds << level for level in range(search_levels(self.steps))]
        block = block_level(self.threshold_folds, self.compared_bits, self.steps)
        return words[:block], words[block:]


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
            False,
            fold,
        )
    kind, steps, shared, ring, above, acc_bits = layer.kind, 0, False, 0, 0, bits
    if isinstance(layer, Threshold):
        steps, shared = layer.thresholds.shape[1], shares_thresholds(layer.thresholds)
    if isinstance(layer, SlidingWindow) and is_whole_window(layer, fold, source):
        kind, above = "parallel_window", layer.kernel[0] - 1
        ring = source.shape[1] if above else 0
    elif isinstance(layer, SlidingWindow):
        ring = swg_depth(
            (source.shape[0], source.shape[1]),
            layer.kernel,
            layer.stride,
            channels // fold.pe,
            block=fold.ram_style == "block",
        )
    if isinstance(layer, MaxPool):
        ring = source.shape[1] // layer.kernel[1] * (channels // fold.pe)
    if isinstance(layer, SumPool):
        ring = channels // fold.pe
        acc_bits = DataType.smallest(*replace(layer, shift=0).range(source)).bits
    return Shape(
        kind, bits, 0, False, channels, channels, steps, acc_bits, shared, fold, ring, above
    )


def bram18(shape: Shape) -> int:
    """RAMB18 halves of the weight memory and of the memories of a binary search."""
    _, searched = shape.search_memories
    if shape.kind in ("swg", "parallel_window"):
        return ramb18s(shape.ring, shape.ring_bits) if shape.fold.ram_style == "block" else 0
    count = shape.fold.pe * sum(ramb18s(words, shape.compared_bits) for words in searched)
    if shape.kind != "mvau" or shape.fold.ram_style != "block":
        return count
    # the address is {fold, step} where rounding the steps up costs no address bit, see mvau.v
    steps, folds = shape.mw // shape.fold.simd, shape.mh // shape.fold.pe
    padded = folds * (1 << ceil(log2(steps)))
    same_bits = ceil(log2(padded)) == ceil(log2(shape.words)) if shape.words > 1 else True
    return count + ramb18s(padded if same_bits else shape.words, shape.word_bits)


def terms(shape: Shape) -> list[float]:
    """The terms of the LUT model, in LUT-like units."""
    return TERMS[shape.kind](shape)


def _mvau_terms(shape: Shape) -> list[float]:
    pe, simd, acc = shape.fold.pe, shape.fold.simd, shape.acc_bits
    folds, steps = shape.mh // pe, shape.mw // simd
    planes = shape.weight_bits * shape.input_bits
    # weights that never change are no longer inputs of anything
    constant = pe * simd * planes if shape.words == 1 else 0
    products = pe * simd * planes - constant
    buffered = simd * shape.input_bits if folds > 1 else 0
    tables = rom_luts(shape.words, shape.word_bits) if shape.fold.ram_style == "lut" else 0.0
    deep = buffered * ceil(2 * steps / 32) * 4 / 6  # two vectors wait in the replay buffer
    return [
        1.0,
        log2(shape.words + 1),
        products if shape.popcount else 0.0,
        0.0 if shape.popcount or shape.weight_bits > 1 else products,
        products if shape.weight_bits > 1 else 0.0,
        constant,
        pe * (planes - 1) * log2(simd + 1),
        float(pe * acc),
        rom_luts(folds, pe * acc),
        *(_level_terms(shape) if shape.steps > 1 else [0.0] * 5),
        deep,
        tables,
    ]


def _threshold_terms(shape: Shape) -> list[float]:
    pe, style = shape.fold.pe, shape.fold.threshold_style
    fixed = pe * shape.steps * shape.acc_bits if shape.shared else 0
    compared, *others = _level_terms(shape)
    return [
        1.0,
        float(fixed) if style == "compare" else 0.0,
        0.0 if shape.shared else compared,
        *others,
        float(pe * search_levels(shape.steps)) if style == "search" else 0.0,
    ]


def _label_select_terms(shape: Shape) -> list[float]:
    return [1.0, shape.fold.pe * shape.acc_bits, log2(shape.mw) * shape.fold.pe]


def _stream_terms(shape: Shape) -> list[float]:
    """Of what keeps a part of a map: counters, registers as wide as a beat, a memory in LUTs."""
    width = shape.fold.pe * shape.input_bits
    in_luts = shape.kind != "pad" and shape.fold.ram_style == "lut"
    memory = lut_ram_luts(width, shape.ring) if in_luts else 0
    return [1.0, log2(shape.ring + 1), float(width), float(memory)]


def _parallel_window_terms(shape: Shape) -> list[float]:
    width = shape.fold.pe * shape.input_bits
    in_luts = shape.above and shape.fold.ram_style == "lut"
    rows = lut_ram_luts(shape.ring_bits, shape.ring) if in_luts else 0
    return [1.0, log2(shape.ring + 1), float(rows), float(lut_ram_luts(width, WINDOWS))]


def _sum_pool_terms(shape: Shape) -> list[float]:
    sums = shape.fold.pe * shape.acc_bits
    return [1.0, log2(shape.ring + 1), float(sums), float(lut_ram_luts(sums, shape.ring))]


def _fork_terms(shape: Shape) -> list[float]:
    return [1.0]


def _add_terms(shape: Shape) -> list[float]:
    return [1.0, float(shape.fold.pe * shape.input_bits)]


TERMS: dict[str, Callable[[Shape], list[float]]] = {
    "mvau": _mvau_terms,
    "threshold": _threshold_terms,
    "label_select": _label_select_terms,
    "swg": _stream_terms,
    "max_pool": _stream_terms,
    "pad": _stream_terms,
    "parallel_window": _parallel_window_terms,
    "sum_pool": _sum_pool_terms,
    "fork": _fork_terms,
    "add": _add_terms,
}


def _level_terms(shape: Shape) -> list[float]:
    """Comparators, their ROM; tables; comparators of a search, its memories in LUTs."""
    pe, bits, style = shape.fold.pe, shape.compared_bits, shape.fold.threshold_style
    folds, levels = shape.threshold_folds, search_levels(shape.steps)
    if style == "compare":
        compared = pe * bits * shape.steps
        return [float(compared), rom_luts(folds, compared), 0.0, 0.0, 0.0]
    if style == "table":
        return [0.0, 0.0, pe * rom_luts(folds << shape.acc_bits, levels), 0.0, 0.0]
    in_luts, _ = shape.search_memories
    memories = pe * sum(rom_luts(words, bits) for words in in_luts)
    return [0.0, 0.0, 0.0, float(pe * bits * levels), memories]


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


def folds(layer: Layer, source: Edge) -> Iterator[Fold]:
    """Every legal fold but for threshold styles: SIMD | MW, PE | MH; PE | C for the others.

    A sliding window also hands out whole windows, see whole_window.
    """
    rows, columns = lanes(layer, source)
    if isinstance(layer, Mvau):
        for pe in divisors(rows):
            for simd in divisors(columns):
                yield Fold(pe, simd, "lut")
                if (rows // pe) * (columns // simd) >= LEAST_BLOCK_DEPTH:
                    yield Fold(pe, simd, "block")
        return
    for pe in divisors(rows):
        yield Fold(pe, pe)
        if isinstance(layer, SlidingWindow):
            yield Fold(pe, pe, "block")
    if isinstance(layer, SlidingWindow) and (whole := whole_window(layer, source)) is not None:
        yield Fold(*whole)
        if layer.kernel[0] > 1:
            yield Fold(*whole, "block")


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


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
    )
