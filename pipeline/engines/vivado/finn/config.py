"""A folding in FINN's words: the attributes of each of its nodes, by the names in `finn_names`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

from pipeline.engines.vivado.finn.layers import Context, matrix
from pipeline.errors import PipelineError
from pipeline.hardware.fold import Fold, Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Layer, Mvau, SlidingWindow

Attributes = dict[str, int | str]
STYLES = {"lut": "distributed", "block": "block"}
"""Our ram_style in FINN's word."""
LEAST_RTL_BITS = 4
"""FINN takes its MVAU in RTL, which is made of DSPs, only from so many bits on."""
DSP_LIMITS = {"zynq-7000": (18, 25, 48), "zynq-us+": (18, 27, 48)}
"""Bits of activations, weights and sums that fit a DSP48E1 or DSP48E2."""


def configuration(
    graph: HardwareGraph, folding: Folding, styles: Mapping[str, str], ram_style: str = "fold"
) -> dict[str, Attributes]:
    """By FINN node, before its specialisation: how it is folded and built.

    styles: "hls" or "rtl" by layer, see `mvau_styles`. ram_style: "fold" is that of the folding.
    Raises PipelineError for a node whose kind is unknown.
    """
    found: dict[str, Attributes] = {}
    for layer in graph.layers:
        fold = folding[layer.id]
        memory = STYLES[fold.ram_style] if ram_style == "fold" else ram_style
        for name in layer.finn_names:
            kind = name.rpartition("_")[0]
            if kind not in _ATTRIBUTES:
                raise PipelineError(
                    f"hardware=finn: {layer.id} has FINN's node {name}, of an unknown kind; known: "
                    f"{', '.join(_ATTRIBUTES)}"
                )
            found[name] = _ATTRIBUTES[kind](layer, fold, memory)
            if kind == "MVAU":
                found[name]["preferred_impl_style"] = styles[layer.id]
    return found


def _mvau(layer: Layer, fold: Fold, memory: str) -> Attributes:
    # a sum pool that FINN makes of an MVAU is refused before, so the layer is one, too
    return {"PE": fold.pe, "SIMD": fold.simd, "ram_style": memory}


def _swg(layer: Layer, fold: Fold, memory: str) -> Attributes:
    if not isinstance(layer, SlidingWindow):
        # in front of a pool or behind padding: as many lanes as what it belongs to
        return {"SIMD": fold.simd, "parallel_window": 0, "ram_style": "distributed"}
    whole = int(fold.pe != fold.simd)
    return {"SIMD": fold.simd, "parallel_window": whole, "ram_style": memory}


def _pe(layer: Layer, fold: Fold, memory: str) -> Attributes:
    return {"PE": fold.pe}


def _simd(layer: Layer, fold: Fold, memory: str) -> Attributes:
    return {"SIMD": fold.simd}


_ATTRIBUTES: dict[str, Callable[[Layer, Fold, str], Attributes]] = {
    "MVAU": _mvau,
    "ConvolutionInputGenerator": _swg,
    "FMPadding": _simd,
    "Thresholding": _pe,
    "Pool": _pe,
    "LabelSelect": _pe,
    "DuplicateStreams": _pe,
    "ElementwiseAdd": _pe,
    "ElementwiseMul": _pe,
}
"""By kind of FINN's nodes: what a fold means for it."""


def mvau_styles(graph: HardwareGraph, folding: Folding, family: str, dsp: int) -> dict[str, str]:
    """For each MVAU "rtl" where FINN would choose it and the board has DSPs for it, else "hls".

    The RTL takes DSPs, which FINN counts nowhere before synthesis. The layers that take most become
    HLS first, until the rest fits.
    """
    context = Context.of(graph)
    wanted = {
        layer.id: ceil(folding[layer.id].pe / 4) * folding[layer.id].simd
        for layer in graph.layers
        if isinstance(layer, Mvau) and goes_rtl(context, layer, family)
    }
    while sum(wanted.values()) > dsp:
        del wanted[max(wanted, key=wanted.__getitem__)]
    return {
        layer.id: "rtl" if layer.id in wanted else "hls"
        for layer in graph.layers
        if isinstance(layer, Mvau)
    }


def goes_rtl(context: Context, layer: Mvau, family: str) -> bool:
    """Whether FINN, left alone, builds this MVAU in RTL on a part of this family."""
    shape = matrix(context, layer)
    low = int(layer.weights.min())
    if layer.popcount or low >= 0 or min(shape.source.bits, shape.weight) < LEAST_RTL_BITS:
        return False
    narrow = low > -(1 << (shape.weight - 1))
    if family == "zynq-7000" and not narrow:
        return False
    inputs, weights, sums = DSP_LIMITS[family]
    fits = shape.source.bits - int(shape.source.signed) < inputs
    return fits and shape.weight <= weights and shape.accumulator <= sums
