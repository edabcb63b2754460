"""The datatypes that FINN gives the tensors of a hardware graph after its bit-width minimisation.

They decide what FINN estimates and what it can build. FINN has no BIPOLAR values except as BINARY
in front of XNOR layers, so most of ours become INT2 there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Add,
    Fork,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    Select,
    SlidingWindow,
    accumulator_range,
)

_MOVES_ONLY = (SlidingWindow, Pad, MaxPool, Fork, Select)
BINARY, INT2 = DataType("UINT1"), DataType("INT2")


@dataclass(frozen=True)
class MvauTypes:
    """weight: bits of a weight. accumulator: the sums. biased: the sums with the bias added."""

    weight: int
    accumulator: DataType
    biased: DataType


def edge_types(graph: HardwareGraph) -> dict[str, DataType]:
    """By edge: its datatype in FINN."""
    readers = {name: layer for layer in graph.layers for name in layer.inputs}
    found = {graph.source.id: graph.source.dtype}
    for layer in graph.layers:
        source = found[layer.input]
        if isinstance(layer, _MOVES_ONLY):
            found |= dict.fromkeys(layer.outputs, source)
        elif isinstance(layer, Add):
            ends = [found[name] for name in layer.inputs]
            found[layer.output] = added(
                *(times(end, f) for end, f in zip(ends, layer.factors, strict=True))
            )
        elif isinstance(layer, Mvau) and layer.thresholds is None:
            types = mvau_types(layer, source, last=layer.output == graph.sink.id)
            found[layer.output] = types.biased
        else:
            found[layer.output] = _levels(graph, layer, readers)
    return found


def _levels(graph: HardwareGraph, layer: Layer, readers: dict[str, Layer]) -> DataType:
    dtype = graph.edges[layer.output].dtype
    if not dtype.bipolar:
        return DataType("UINT8") if isinstance(layer, LabelSelect) else dtype
    reader = readers.get(layer.output)
    while isinstance(reader, _MOVES_ONLY):
        reader = readers.get(reader.outputs[0])
    return BINARY if isinstance(reader, Mvau) and reader.popcount else INT2


def mvau_types(layer: Mvau, source: DataType, *, last: bool) -> MvauTypes:
    """The types of an MVAU. The sums of the graph's last layer are made of whole bytes."""
    if layer.popcount:
        weight, sums = 1, xnor_accumulator(layer.mw)
    else:
        low, high = int(layer.weights.min()), int(layer.weights.max())
        weight = weight_bits(low, high)
        sums = DataType.smallest(*accumulator_range(layer.weights, source))
    if last and layer.bias is None and layer.thresholds is None:
        sums = DataType(f"{'INT' if sums.signed else 'UINT'}{-(-sums.bits // 8) * 8}")
    if layer.bias is None:
        return MvauTypes(weight, sums, sums)
    ends = int(layer.bias.min()), int(layer.bias.max())
    return MvauTypes(weight, sums, added(sums, _constant(*ends)))


def xnor_accumulator(mw: int) -> DataType:
    """The type of the sums of an XNOR layer, 0..MW.

    FINN itself sizes them from the range of weights of -1 and +1, which is too small: MW = 784
    becomes INT10. The flow puts this type in its place.
    """
    return DataType(f"UINT{mw.bit_length()}")


def weight_bits(low: int, high: int) -> int:
    """Bits of values between these two as FINN stores them."""
    if low >= 0:
        return _bits(high)
    return _bits(low if abs(low) > high else -high - 1)


def threshold_bits(thresholds: np.ndarray, source: DataType) -> int:
    """Bits of a threshold. FINN clips them to what the input can reach."""
    clipped = np.clip(thresholds, source.min, source.max + 1)
    low, high = int(clipped.min()), int(clipped.max())
    if low == high == 0:
        return 2 if source.signed else 1
    if low < 0 or not source.signed:
        return weight_bits(low, high)
    return _bits(-high - 1)


def _bits(value: int) -> int:
    """Bits of the smallest type that FINN finds for this value; -1 is BIPOLAR there."""
    if value == -1:
        return 1
    return DataType.smallest(min(value, 0), max(value, 0)).bits


def _constant(low: int, high: int) -> DataType:
    most = high if low > 0 else low if abs(low) > high else -high - 1
    return DataType.smallest(min(most, 0), max(most, 0))


def added(a: DataType, b: DataType) -> DataType:
    """The type of a sum by FINN's rule, which knows the types alone."""
    wide, narrow = (b, a) if b.bits > a.bits else (a, b)
    more = 2 if not wide.signed and narrow.signed else 1
    return DataType(f"{'INT' if a.signed or b.signed else 'UINT'}{wide.bits + more}")


def times(a: DataType, factor: int) -> DataType:
    """The type of a product with a constant by FINN's rule."""
    if factor == 1:
        return a
    b = _constant(factor, factor)
    return DataType(f"{'INT' if a.signed or b.signed else 'UINT'}{a.bits + b.bits}")
