"""Turns a layer into an instance of its library module. Only this file knows a kind's RTL.

A new layer kind needs a module in library/ and an entry in EMITTERS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, is_unrolled
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
    kept_words,
)
from pipeline.rtl.folds import is_whole_window
from pipeline.rtl.levels import Levels
from pipeline.rtl.memories import Memory, clog2, row_correction, sum_shift, weight_memory
from pipeline.rtl.sums import Sums
from pipeline.rtl.sums import start as sums_start
from pipeline.rtl.windows import WINDOWS, stored_elements, swg_depth, words_read

LUT_RAM_WORDS = 32
"""Words of the smallest LUT RAM. A shallower replay buffer would cost as much."""
_NOWHERE = 0xFFFF
"""The place of an element that parallel_window.v does not store."""


@dataclass(frozen=True)
class Instance:
    """An instance of a library module.

    memories: by the parameter that takes the name of the memory's file.
    banks: several memories for one parameter, which takes the common first part (stem) of their
        file names; by parameter, then by what follows the stem.
    sums: of an MVAU without fold; its module is generated, and is beside this one.
    """

    module: str
    parameters: dict[str, int | str]
    memories: dict[str, Memory] = field(default_factory=dict)
    banks: dict[str, dict[str, Memory]] = field(default_factory=dict)
    sums: Sums | None = None


def instance(graph: HardwareGraph, layer: Layer, fold: Fold) -> Instance:
    """The instance that implements `layer` in the design, with the fold `fold`."""
    ends = (layer.input, layer.output, *layer.inputs[1:])
    return EMITTERS[layer.kind](layer, fold, *(graph.edges[name] for name in ends))


def kind_of(dtype: DataType) -> int:
    """The value of the library's `_KIND` parameters for a datatype."""
    return 2 if dtype.bipolar else int(dtype.signed)


def _threshold(layer: Threshold, fold: Fold, source: Edge, target: Edge) -> Instance:
    limits, values = layer.thresholds, source.dtype
    if values.bipolar:  # compare the code: -1 is 0, +1 is 1
        limits, values = (limits + 2) // 2, DataType("UINT1")
    # one bit more than the input has, so that "never" fits; where unused it costs nothing
    wider = DataType(f"{'' if values.signed else 'U'}INT{values.bits + 1}")
    rows = slice(1 if layer.shared else None)
    levels = Levels(
        np.clip(limits[rows], values.min, values.max + 1),
        values if fold.threshold_style == "table" else wider,
        1 if layer.shared else fold.pe,
        _offset(layer.offset, target.dtype),
        target.dtype.bits,
        fold.threshold_style,
        None if layer.falling is None else layer.falling[rows],
    )
    return Instance(
        "threshold",
        {
            "PE": fold.pe,
            "FOLDS": source.channels // fold.pe,
            "SHARED": int(layer.shared),
            "INPUT_BITS": values.bits,
            "INPUT_KIND": kind_of(values),
            "COMPARE_BITS": levels.values.bits,
            **levels.parameters(),
        },
        banks={"FILES": levels.bank()},
    )


def _mvau(layer: Mvau, fold: Fold, source: Edge, target: Edge) -> Instance:
    if is_unrolled(layer, fold):
        return _unrolled(layer, fold, source, target)
    # x = 2 bit - 1 with wider weights: the dot product sees an unsigned bit, see dot_product.v
    unsigned = source.dtype.bipolar and not layer.weight_dtype.bipolar
    quantised = _quantised(layer, fold, target, row_correction(layer, source.dtype))
    return Instance(
        "mvau",
        {
            "MW": layer.mw,
            "MH": layer.mh,
            "SIMD": fold.simd,
            "PE": fold.pe,
            "INPUT_BITS": source.dtype.bits,
            "INPUT_KIND": 0 if unsigned else kind_of(source.dtype),
            "WEIGHT_BITS": layer.weight_dtype.bits,
            "WEIGHT_KIND": kind_of(layer.weight_dtype),
            "SUM_SHIFT": sum_shift(layer, source.dtype),
            **quantised.parameters,
            "BLOCK_ROM": int(fold.ram_style == "block"),
            "BUFFER_SLOTS": buffer_slots(layer.mw // fold.simd),
        },
        {"WEIGHT_FILE": weight_memory(layer, fold.pe, fold.simd), **quantised.memories},
        quantised.banks,
    )


def _unrolled(layer: Mvau, fold: Fold, source: Edge, target: Edge) -> Instance:
    """An MVAU of one tile: only its weights other than zero are in the netlist."""
    sums = Sums.of(layer, source.dtype)
    quantised = _quantised(layer, fold, target, sums_start(layer, source.dtype))
    return Instance(
        "mvau_unrolled",
        {
            "MW": layer.mw,
            "MH": layer.mh,
            "INPUT_BITS": source.dtype.bits,
            "INPUT_KIND": kind_of(source.dtype),
            "SUM_BITS": sums.bits,
            "SUM_SHIFT": sum_shift(layer, source.dtype),
            "SUM_LATENCY": sums.latency,
            **quantised.parameters,
        },
        quantised.memories,
        quantised.banks,
        sums,
    )


def _quantised(layer: Mvau, fold: Fold, target: Edge, start: np.ndarray) -> Instance:
    """What follows the sums of an MVAU, as part of its instance.

    start: by row what is added to its sum to make an accumulator of it.
    """
    steps = 0 if layer.thresholds is None else layer.thresholds.shape[1]
    accumulator = layer.accumulator
    if layer.thresholds is not None and steps == 1:
        # sized from types alone, so that other weights and thresholds fit the same design
        low, high = (0, layer.mw) if layer.popcount else (accumulator.min, accumulator.max)
        limits = np.clip(layer.thresholds[:, 0], low, high + 1)
        accumulator = DataType.smallest(low - high - 1, high - low)
        start = start - limits
    quantise = {"STEPS": steps, "OUTPUT_BITS": target.dtype.bits, "OFFSET": 0}
    banks = {}
    if layer.thresholds is not None:
        quantise["OFFSET"] = _offset(layer.offset, target.dtype)
        if steps > 1:
            levels = Levels(
                layer.thresholds,
                accumulator,
                fold.pe,
                quantise["OFFSET"],
                target.dtype.bits,
                fold.threshold_style,
            )
            quantise = levels.parameters()
            banks["THRESHOLD_FILES"] = levels.bank()
    kind = {"ACC_BITS": accumulator.bits, "ACC_SIGNED": int(accumulator.signed)}
    memory = Memory.of(start.reshape(-1, fold.pe), accumulator.bits)
    return Instance("", {**kind, **quantise}, {"START_FILE": memory}, banks)


def buffer_slots(steps: int) -> int:
    """Number of vectors of `steps` beats in an MVAU's replay buffer, a power of two.

    At least two, so that a vector can arrive slowly while the one before is replayed; more if the
    smallest LUT RAM has room for them.
    """
    return max(2, LUT_RAM_WORDS // (1 << max(1, clog2(steps))))


def _label_select(layer: LabelSelect, fold: Fold, source: Edge, target: Edge) -> Instance:
    bits = target.dtype.bits
    parameters: dict[str, int | str] = {
        "CHANNELS": source.channels,
        "PE": fold.pe,
        "INPUT_BITS": source.dtype.bits,
        "INPUT_KIND": kind_of(source.dtype) % 2,  # a BIPOLAR code orders as an unsigned bit
        "LABEL_BITS": bits,
    }
    if layer.labels is not None:
        table = sum(label << bits * channel for channel, label in enumerate(layer.labels))
        parameters |= {"MAPPED": 1, "LABELS": f"{bits * source.channels}'h{table:x}"}
    return Instance("label_select", parameters)


def _swg(layer: SlidingWindow, fold: Fold, source: Edge, target: Edge) -> Instance:
    height, width, channels = source.shape
    folds, block = channels // fold.simd, fold.ram_style == "block"
    parameters: dict[str, int | str] = {
        "WIDTH": fold.simd * source.dtype.bits,
        "HEIGHT": height,
        "ROW": width,
        "KERNEL_H": layer.kernel[0],
        "KERNEL_W": layer.kernel[1],
        "STRIDE_H": layer.stride[0],
        "STRIDE_W": layer.stride[1],
        "BLOCK": int(block),
    }
    if is_whole_window(layer, fold, source):
        parameters["WINDOWS"] = WINDOWS
        return Instance("parallel_window", parameters | _wires(layer, source))
    kept = None if layer.kept is None else kept_words(layer.kept, fold.simd)
    depth = swg_depth((height, width), layer.kernel, layer.stride, folds, block=block, kept=kept)
    parameters |= {"FOLDS": folds, "DEPTH": depth}
    if kept is None:
        return Instance("swg", parameters)
    words = words_read(width, layer.kernel, folds, kept)
    parameters |= {"KEPT": len(words), "FIRST": words[0], "LAST": words[-1]}
    jumps = [*(np.diff(words) % depth), depth]  # the bit above a jump marks the last word
    return Instance(
        "swg", parameters, {"JUMP_FILE": Memory.of(np.array(jumps)[:, None], clog2(depth) + 1)}
    )


def _wires(layer: SlidingWindow, source: Edge) -> dict[str, int | str]:
    """The parameters of parallel_window.v that tell what is kept of a window."""
    if layer.kept is None:
        return {}
    above = (layer.kernel[0] - 1) * source.channels
    stored = stored_elements(layer.kernel, source.channels, layer.kept)
    places = dict(zip(stored, range(len(stored)), strict=True))
    word_at = [places.get(element, _NOWHERE) for element in range(above)]
    return {
        "KEPT": len(layer.kept),
        "ELEMENT": source.dtype.bits,
        "STORED": len(stored),
        "POSITIONS": _packed(layer.kept),
        "WORD_AT": _packed(word_at),
    }


def _packed(positions: Sequence[int]) -> str:
    """A Verilog number with 16 bits for each position, the first one in its least bits."""
    digits = "".join(f"{position:04x}" for position in reversed(positions))
    return f"{16 * len(positions) + 1}'h{digits or '0'}"


def _select(layer: Select, fold: Fold, source: Edge, target: Edge) -> Instance:
    beats = source.elements // fold.pe
    marks = np.zeros((beats, 1), np.int64)
    marks[list(kept_words(layer.kept, fold.pe))] = 1
    return Instance(
        "select_stream",
        {"WIDTH": fold.pe * source.dtype.bits, "BEATS": beats},
        {"KEPT_FILE": Memory.of(marks, 1)},
    )


def _max_pool(layer: MaxPool, fold: Fold, source: Edge, target: Edge) -> Instance:
    height, width, channels = source.shape
    return Instance(
        "max_pool",
        {
            "PE": fold.pe,
            "INPUT_BITS": source.dtype.bits,
            "INPUT_KIND": kind_of(source.dtype),
            "FOLDS": channels // fold.pe,
            "HEIGHT": height,
            "ROW": width,
            "KERNEL_H": layer.kernel[0],
            "KERNEL_W": layer.kernel[1],
        },
    )


def _pad(layer: Pad, fold: Fold, source: Edge, target: Edge) -> Instance:
    height, width, channels = source.shape
    return Instance(
        "pad",
        {
            "WIDTH": fold.pe * source.dtype.bits,
            "FOLDS": channels // fold.pe,
            "HEIGHT": height,
            "ROW": width,
            "ABOVE": layer.rows[0],
            "BELOW": layer.rows[1],
            "LEFT": layer.columns[0],
            "RIGHT": layer.columns[1],
        },
    )


def _sum_pool(layer: SumPool, fold: Fold, source: Edge, target: Edge) -> Instance:
    (height, width, channels), (high, wide) = source.shape, layer.window(source)
    windows = {"HEIGHT": height, "ROW": width, "KERNEL_H": high, "KERNEL_W": wide}
    return Instance(
        "sum_pool",
        {
            "PE": fold.pe,
            "INPUT_BITS": source.dtype.bits,
            "INPUT_KIND": kind_of(source.dtype),
            "FOLDS": channels // fold.pe,
            "PIXELS": high * wide,
            **(windows if (high, wide) != (height, width) else {}),
            # the sums of an unsigned input are unsigned
            "SUM_BITS": DataType.smallest(*replace(layer, shift=0).range(source)).bits,
            "SHIFT": layer.shift,
            "OUTPUT_BITS": target.dtype.bits,
        },
    )


def _fork(layer: Fork, fold: Fold, source: Edge, target: Edge) -> Instance:
    return Instance("fork_stream", {"WIDTH": fold.pe * source.dtype.bits})


def _add(layer: Add, fold: Fold, source: Edge, target: Edge, other: Edge) -> Instance:
    factors = {"S_FACTOR": layer.factors[0], "T_FACTOR": layer.factors[1]}
    return Instance(
        "add_streams",
        {
            "PE": fold.pe,
            "S_BITS": source.dtype.bits,
            "S_SIGNED": int(source.dtype.signed),
            "T_BITS": other.dtype.bits,
            "T_SIGNED": int(other.dtype.signed),
            **(factors if layer.factors != (1, 1) else {}),
            "OUTPUT_BITS": target.dtype.bits,
        },
    )


def _offset(offset: int, dtype: DataType) -> int:
    """Code of the smallest output. For BIPOLAR it is 0, which means -1, whatever the offset."""
    return 0 if dtype.bipolar else offset % (1 << dtype.bits)


EMITTERS: dict[str, Callable[..., Instance]] = {
    Threshold.kind: _threshold,
    Mvau.kind: _mvau,
    LabelSelect.kind: _label_select,
    SlidingWindow.kind: _swg,
    MaxPool.kind: _max_pool,
    Pad.kind: _pad,
    SumPool.kind: _sum_pool,
    Fork.kind: _fork,
    Add.kind: _add,
    Select.kind: _select,
}
"""By layer kind: a function of the layer, its fold, and the edges of its input, its output and its
second input, if it has one."""
