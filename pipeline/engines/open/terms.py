"""The terms of the LUT model, for each module of the RTL library.

They follow the RTL: the tables of a dot product grow with PE x SIMD, comparators with PE x steps,
ROMs with their words and width.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log2

from pipeline.engines.open.shapes import Shape
from pipeline.rtl.ram import lut_ram_luts, rom_luts, search_levels
from pipeline.rtl.windows import WINDOWS


def terms(shape: Shape) -> list[float]:
    """The terms of a shape's LUT model, each in units of about one LUT."""
    return TERMS[shape.model](shape)


def _mvau_terms(shape: Shape) -> list[float]:
    pe, simd, acc = shape.fold.pe, shape.fold.simd, shape.acc_bits
    folds, steps = shape.mh // pe, shape.mw // simd
    planes = shape.weight_bits * shape.input_bits
    products = pe * simd * planes
    buffered = simd * shape.input_bits if folds > 1 else 0
    tables = rom_luts(shape.words, shape.word_bits) if shape.fold.ram_style == "lut" else 0.0
    deep = buffered * ceil(2 * steps / 32) * 4 / 6  # two vectors wait in the replay buffer
    return [
        1.0,
        log2(shape.words + 1),
        products if shape.popcount else 0.0,
        0.0 if shape.popcount or shape.weight_bits > 1 else products,
        products if shape.weight_bits > 1 else 0.0,
        pe * (planes - 1) * log2(simd + 1),
        float(pe * acc),
        rom_luts(folds, pe * acc),
        *(_level_terms(shape) if shape.steps > 1 else [0.0] * 5),
        deep,
        tables,
    ]


def _unrolled_terms(shape: Shape) -> list[float]:
    sums = shape.sums
    assert sums is not None, "it is the model of shapes that have them"
    compared, _, *others = _level_terms(shape) if shape.steps > 1 else [0.0] * 5
    return [
        1.0,
        float(sums.tables),
        float(sums.compressors * 3 + sums.adder_bits),
        float(shape.mh * shape.acc_bits),
        compared,
        *others,
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


def _falling_terms(shape: Shape) -> list[float]:
    turned = shape.fold.pe * search_levels(shape.steps)
    return [*_threshold_terms(shape), turned + rom_luts(shape.threshold_folds, shape.fold.pe)]


def _label_select_terms(shape: Shape) -> list[float]:
    return [1.0, shape.fold.pe * shape.acc_bits, log2(shape.mw) * shape.fold.pe]


def _stream_terms(shape: Shape) -> list[float]:
    """Terms of a layer that stores part of a feature map: counters, registers, memory in LUTs."""
    width = shape.fold.pe * shape.input_bits
    in_luts = shape.kind != "pad" and shape.fold.ram_style == "lut"
    memory = lut_ram_luts(width, shape.ring) if in_luts else 0
    return [1.0, log2(shape.ring + 1), float(width), float(memory)]


def _pruned_terms(shape: Shape) -> list[float]:
    """Those of a sliding window, and its table: an address and a bit for each word that is read."""
    table = rom_luts(shape.listed, round(log2(shape.ring)) + 1)
    return [*_stream_terms(shape), log2(shape.listed + 1), table]


def _select_terms(shape: Shape) -> list[float]:
    return [1.0, log2(shape.listed), rom_luts(shape.listed, 1)]


def _parallel_window_terms(shape: Shape) -> list[float]:
    width = shape.fold.pe * shape.input_bits
    in_luts = shape.stored and shape.fold.ram_style == "lut"
    rows = lut_ram_luts(shape.ring_bits, shape.ring) if in_luts else 0
    return [1.0, log2(shape.ring + 1), float(rows), float(lut_ram_luts(width, WINDOWS))]


def _sum_pool_terms(shape: Shape) -> list[float]:
    sums = shape.fold.pe * shape.acc_bits
    return [1.0, log2(shape.ring + 1), float(sums), float(lut_ram_luts(sums, shape.ring))]


def _fork_terms(shape: Shape) -> list[float]:
    return [1.0]


def _add_terms(shape: Shape) -> list[float]:
    return [1.0, float(shape.fold.pe * shape.input_bits)]


def _factor_terms(shape: Shape) -> list[float]:
    constant, width = _add_terms(shape)
    return [constant, width, width * shape.adders]


TERMS: dict[str, Callable[[Shape], list[float]]] = {
    "mvau": _mvau_terms,
    "mvau_unrolled": _unrolled_terms,
    "threshold": _threshold_terms,
    "threshold_falling": _falling_terms,
    "label_select": _label_select_terms,
    "swg": _stream_terms,
    "swg_pruned": _pruned_terms,
    "max_pool": _stream_terms,
    "pad": _stream_terms,
    "parallel_window": _parallel_window_terms,
    "parallel_window_pruned": _parallel_window_terms,
    "sum_pool": _sum_pool_terms,
    "sum_windows": _sum_pool_terms,
    "fork": _fork_terms,
    "add": _add_terms,
    "add_factors": _factor_terms,
    "select": _select_terms,
}


def _level_terms(shape: Shape) -> list[float]:
    """Terms of thresholds: comparators, their ROM; tables; comparators and memories of a search."""
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
