"""Random graphs and foldings, and the one check most tests make: RTL equals the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.hardware import reference
from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.fold import Fold, Folding, ThresholdStyle
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, LabelSelect, Layer, Mvau, Threshold, accumulator_range
from pipeline.rtl.folds import lanes, threshold_styles, whole_window
from pipeline.rtl.generator import generate, write_memories
from pipeline.simulation import signatures
from pipeline.simulation.model import Model, Result, Stalls, build_model
from pipeline.verification.compare import first_difference
from pipeline.verification.mutants import Mutant
from specs.input import InputSpec

_INTEGERS = (*(f"UINT{n}" for n in range(1, 9)), *(f"INT{n}" for n in range(2, 9)))
ACTIVATIONS = ("BIPOLAR", *_INTEGERS)
WEIGHTS = ACTIVATIONS
MOST_PLANES = 200
"""Bit products of a random fold's tile: more take long to compile."""
MOST_COMPARATORS = 40
STALLS = (None, Stalls(1, 0.3, 0.3), Stalls(2, 0.8, 0.05), Stalls(3, 0.05, 0.8))


def graph_of(edges: list[Edge], layers: list[Layer]) -> HardwareGraph:
    graph = HardwareGraph("test", InputSpec(), {edge.id: edge for edge in edges}, tuple(layers))
    graph.check()
    return graph


def mvau(
    source: Edge,
    target: str,
    weights: np.ndarray,
    weight: str,
    output: str | None,
    thresholds: np.ndarray | None = None,
    popcount: bool | None = None,
) -> tuple[Mvau, Edge]:
    """One layer and its output edge; random-free. output None: the accumulator itself."""
    dtype = DataType(weight)
    both = dtype.bipolar and source.dtype.bipolar
    popcount = both if popcount is None else popcount
    low, high = (0, weights.shape[1]) if popcount else accumulator_range(weights, source.dtype)
    if thresholds is not None:
        low, high = min(low, int(thresholds.min())), max(high, int(thresholds.max()))
    accumulator = DataType.smallest(low, high)
    edge_dtype = accumulator if output is None else DataType(output)
    layer = Mvau(
        id=f"{target}_unit",
        input=source.id,
        output=target,
        weights=weights,
        weight_dtype=dtype,
        accumulator=accumulator,
        popcount=popcount,
        thresholds=thresholds,
        offset=0 if edge_dtype.bipolar else edge_dtype.min,
    )
    return layer, Edge(target, edge_dtype, (weights.shape[0],))


def random_mvau(rng: np.random.Generator, source: Edge, target: str, mh: int) -> tuple[Mvau, Edge]:
    """Any weights on any input; thresholds from never to always; sometimes none."""
    weight = str(rng.choice(WEIGHTS))
    dtype = DataType(weight)
    weights = rng.integers(dtype.min, dtype.max + 1, (mh, source.channels))
    if dtype.bipolar:
        weights = rng.choice([-1, 1], weights.shape)
    popcount = bool(dtype.bipolar and source.dtype.bipolar and rng.integers(2))
    output = str(rng.choice(ACTIVATIONS))
    act = DataType(output)
    steps = 1 if act.bipolar else act.max - act.min
    low, high = (0, source.channels) if popcount else accumulator_range(weights, source.dtype)
    # most thresholds where the accumulators are, some where none is
    spread = rng.normal((low + high) / 2, (high - low) / 8 + 1, (mh, steps)).round()
    thresholds = np.clip(np.sort(spread.astype(np.int64), axis=1), low, high + 1)
    thresholds[rng.random(mh) < 0.1] = high + 1
    thresholds[rng.random(mh) < 0.1] = low
    return mvau(source, target, weights, weight, output, thresholds, popcount)


def random_chain(seed: int) -> HardwareGraph:
    """Threshold, three MVAUs of any types, one without thresholds, label select."""
    rng = np.random.default_rng(seed)
    widths = [int(rng.choice([6, 12, 18, 20, 24, 36, 40])) for _ in range(3)]
    act = DataType(str(rng.choice(ACTIVATIONS)))
    steps = 1 if act.bipolar else act.max - act.min
    edges = [Edge("pixels", DataType("UINT8"), (widths[0],)), Edge("input", act, (widths[0],))]
    limits = np.sort(rng.integers(-3, 260, (widths[0], steps)), axis=1)
    if rng.integers(2):  # as FINN gives them: all channels the same
        limits[:] = limits[0]
    # none, some or all channels whose levels fall
    every = np.ones(widths[0], bool)
    falling = (None, every, np.arange(widths[0]) % 3 > 0)[seed % 3]
    layers: list[Layer] = [
        Threshold("quant", "pixels", "input", (), limits, 0 if act.bipolar else act.min, falling)
    ]
    for k, width in enumerate([*widths[1:], int(rng.choice([6, 10, 12]))]):
        layer, edge = random_mvau(rng, edges[-1], f"act{k}", width)
        layers.append(layer)
        edges.append(edge)
    classes = int(rng.choice([4, 10]))
    weights = rng.choice([-1, 1], (classes, edges[-1].channels))
    layer, edge = mvau(edges[-1], "logits", weights, "BIPOLAR", None)
    layers += [layer, LabelSelect("label_select", "logits", "label")]
    edges += [edge, Edge("label", DataType("UINT4"), (1,))]
    return graph_of(edges, layers)


def random_folding(graph: HardwareGraph, seed: int) -> Folding:
    rng = np.random.default_rng(seed)
    folding = {}
    for layer in graph.layers:
        source = graph.edges[layer.input]
        rows, columns = lanes(layer, source)
        pe = int(rng.choice([k for k in _divisors(rows) if k <= 12]))
        planes = source.dtype.bits * layer.weight_dtype.bits if isinstance(layer, Mvau) else 1
        # now and then a whole row at once; else little enough to compile fast
        whole = rng.random() < 0.2
        choice = _divisors(columns)[-1 if whole else 0 : None if whole else 5]
        simd = int(rng.choice([k for k in choice if k * planes <= MOST_PLANES] or [1]))
        if isinstance(layer, Mvau):
            pe = max(
                k for k in _divisors(rows) if k <= max(1, min(pe, MOST_PLANES // simd // planes))
            )
        style = "block" if rng.random() < 0.3 else "lut"
        simd = simd if isinstance(layer, Mvau) else pe
        whole_windows = whole_window(layer, source)
        if whole_windows is not None and rng.random() < 0.5:
            pe, simd = whole_windows
        folding[layer.id] = Fold(
            pe,
            simd,
            style,  # type: ignore[arg-type]
            _random_style(rng, layer, source, pe),
        )
    return folding


def _random_style(rng: np.random.Generator, layer: Layer, source: Edge, pe: int) -> ThresholdStyle:
    styles = threshold_styles(layer, source)
    thresholds = getattr(layer, "thresholds", None)
    if len(styles) > 1 and thresholds is not None and pe * thresholds.shape[1] > MOST_COMPARATORS:
        styles = styles[1:]
    return styles[int(rng.integers(len(styles)))]


def _divisors(number: int) -> list[int]:
    return [k for k in range(1, number + 1) if number % k == 0]


def random_images(graph: HardwareGraph, count: int, seed: int) -> np.ndarray:
    """[count, *shape] of the input's datatype, its extremes included."""
    rng = np.random.default_rng(seed)
    dtype = graph.source.dtype
    if dtype == BIPOLAR:
        return rng.choice([-1, 1], (count, *graph.source.shape))
    drawn = rng.integers(dtype.min, dtype.max + 1, (count, *graph.source.shape))
    drawn[0], drawn[-1] = dtype.min, dtype.max
    return drawn


def build(
    graph: HardwareGraph,
    folding: Folding,
    folder: Path,
    cache: Path,
    depths: Mapping[str, int] | None = None,
) -> Model:
    generate(graph, folding, depths or {}, folder / "design", signatures=True)
    return build_model(folder / "design", folder / "model", cache, optimise="-O0")


def require_exact(
    model: Model, graph: HardwareGraph, images: np.ndarray, stalls: Stalls | None = None
) -> Result:
    """Every stream of every image, and every signature, equals the reference's."""
    expected = reference.run(graph, images)
    result = model.run(images, stalls=stalls, trace=len(images))
    for layer in graph.layers:
        for edge in layer.outputs:
            np.testing.assert_array_equal(
                result.streams[edge], expected[edge], err_msg=f"{layer.id}, {stalls}"
            )
    np.testing.assert_array_equal(result.output, expected[graph.sink.id])
    streams = {graph.source.id: images, **expected}
    assert result.signatures == signatures.of_batch(model.design, streams), stalls
    return result


def require_same(graph: HardwareGraph, other: HardwareGraph, images: np.ndarray) -> None:
    """Both give the same values on every edge."""
    expected, got = reference.run(graph, images), reference.run(other, images)
    assert expected.keys() == got.keys()
    for edge, values in expected.items():
        np.testing.assert_array_equal(got[edge], values, err_msg=edge)


def require_caught(
    model: Model,
    graph: HardwareGraph,
    folding: Folding,
    mutant: Mutant,
    images: np.ndarray,
    memories: Path,
) -> None:
    """The design with the mutant's memories computes the mutant, which differs where it is."""
    write_memories(mutant.graph, folding, memories)
    got = model.run(images, memory_folder=memories, trace=len(images)).streams
    difference = first_difference(graph, reference.run(graph, images), got)
    assert difference is not None, mutant.what
    assert difference.layer == mutant.layer
    assert first_difference(graph, reference.run(mutant.graph, images), got) is None
