"""MVAUs without fold: the netlist of their weights other than zero equals the reference."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.hardware import reference
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, Layer, Mvau
from pipeline.rtl.generator import generate
from pipeline.rtl.lint import lint
from pipeline.rtl.sums import COMPRESSED, compressed, digits, plan
from pipeline.verification.mutants import kinds, mutants
from tests.rtl import designs

CHAINS = [
    (("BIPOLAR", "BIPOLAR", "INT2"), ("BIPOLAR", "INT2", "INT3"), 0.0),
    (("INT2", "UINT2", "INT4", "UINT8"), ("INT2", "INT4", "UINT1"), 0.3),
    (("UINT3", "BIPOLAR", "INT2"), ("UINT3", "INT2", "INT8"), 0.7),
    (("INT8", "INT3", "UINT4"), ("INT5", "BIPOLAR", "INT2"), 0.9),
]
"""The datatypes of streams and of weights along a chain, and the share of zeros."""


def chain(streams: tuple[str, ...], weights: tuple[str, ...], zeros: float) -> HardwareGraph:
    """Matrix-vector units; a last one without thresholds. Zeros in 1-bit weights make INT2."""
    rng = np.random.default_rng(len(streams))
    edges, layers = [Edge("x", DataType(streams[0]), (40,))], list[Layer]()
    outputs = (*streams[1:], None)
    for number, (drawn, output) in enumerate(zip(weights, outputs, strict=False)):
        dtype, source = DataType(drawn), edges[-1]
        weight = "INT2" if dtype.bipolar and zeros else drawn
        rows = (11, 22, 5)[number]
        values = rng.integers(dtype.min, dtype.max + 1, (rows, source.channels))
        if dtype.bipolar:
            values = rng.choice([-1, 1], values.shape)
        values[rng.random(values.shape) < zeros] = 0
        values[0, :] = 0 if zeros else values[0]  # a row that reads nothing
        thresholds = None
        if output is not None:
            low, high = accumulators(values, source.dtype, weight)
            act = DataType(output)
            steps = 1 if act.bipolar else act.max - act.min
            thresholds = np.sort(rng.integers(low, high + 2, (rows, steps)), axis=1)
        layer, edge = designs.mvau(source, f"y{number}", values, weight, output, thresholds)
        edges.append(edge)
        layers.append(layer)
    return designs.graph_of(edges, layers)


def accumulators(weights: np.ndarray, source: DataType, weight: str) -> tuple[int, int]:
    if source.bipolar and weight == "BIPOLAR":
        return 0, weights.shape[1]
    at_min, at_max = weights * source.min, weights * source.max
    middle = (at_min + at_max).sum(axis=1) // 2
    spread = int(np.sqrt(((at_max - at_min) ** 2).sum(axis=1)).max()) + 1
    return int(middle.min()) - spread, int(middle.max()) + spread


def unrolled(graph: HardwareGraph) -> Folding:
    units = [layer for layer in graph.layers if isinstance(layer, Mvau)]
    return {layer.id: Fold(layer.mh, layer.mw) for layer in units}


@pytest.mark.parametrize(("streams", "weights", "zeros"), CHAINS)
def test_a_chain_equals_the_reference_and_its_mutants(
    streams: tuple[str, ...],
    weights: tuple[str, ...],
    zeros: float,
    tmp_path: Path,
    cache: Path,
) -> None:
    graph = chain(streams, weights, zeros)
    folding = unrolled(graph)
    model = designs.build(graph, folding, tmp_path / "design", cache)
    images = designs.random_images(graph, 60, 1)
    assert designs.require_exact(model, graph, images).interval(20) == 1
    for stalls in designs.STALLS[1:]:
        designs.require_exact(model, graph, images[:30], stalls)
    expected = reference.run(graph, images)
    wanted = {
        (layer.id, kind) for layer in graph.layers for kind in kinds(layer, folding[layer.id])
    }
    found = list(mutants(graph, folding, expected))
    assert {(mutant.layer, mutant.kind) for mutant in found} == wanted
    for number, mutant in enumerate(found):
        designs.require_caught(model, graph, folding, mutant, images, tmp_path / f"{number}")
    lint(generate(graph, folding, {}, tmp_path / "linted"), tmp_path / "logs")


@given(arrays(np.int64, (3, 8), elements=st.integers(-128, 255)))
def test_digits_are_the_weight_and_as_few_as_possible(weights: np.ndarray) -> None:
    found = digits(weights).astype(np.int64)
    powers = 1 << np.arange(len(found))[:, None, None]
    np.testing.assert_array_equal((found * powers).sum(axis=0), weights)
    # the form without neighbouring digits is the one with the fewest
    assert not np.any(found[1:] * found[:-1])


@given(st.lists(st.integers(0, 60), max_size=6))
def test_compressors_leave_few_numbers_of_the_same_value(heights: list[int]) -> None:
    heap = tuple(heights)
    found = plan(heap)
    for counts in found.levels:
        assert all(COMPRESSED * n <= height for n, height in zip(counts, heap, strict=True))
        heap = compressed(heap, counts)
    assert max(heap, default=0) < COMPRESSED
    left = [sum(mask >> k & 1 for mask in found.operands) for k in range(len(heap))]
    assert left == list(heap)


def test_a_layer_of_zeros_gives_its_bias(tmp_path: Path, cache: Path) -> None:
    source = Edge("x", DataType("INT3"), (7,))
    layer, edge = designs.mvau(source, "y", np.zeros((3, 7), np.int64), "INT2", None)
    accumulator = DataType("INT4")
    layer = replace(layer, bias=np.array([-5, 0, 7]), accumulator=accumulator)
    graph = designs.graph_of([source, replace(edge, dtype=accumulator)], [layer])
    folding = unrolled(graph)
    model = designs.build(graph, folding, tmp_path / "design", cache)
    designs.require_exact(model, graph, designs.random_images(graph, 5, 1))
    lint(generate(graph, folding, {}, tmp_path / "linted"), tmp_path / "logs")
