"""Forks, joins and sum pools against the integer reference: random types, lanes and stalls."""

import random
from pathlib import Path

import numpy as np
import pytest

from pipeline.engines.open import costs
from pipeline.engines.open.layers import alone
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Add, Edge, Fork, SumPool
from pipeline.rtl.generator import generate
from pipeline.rtl.lint import lint
from tests.hardware.residual import Residual, network
from tests.rtl import designs

TYPES = [("UINT4", "UINT4", "UINT5"), ("INT3", "UINT5", "INT7"), ("UINT2", "INT6", "INT8"),
         ("INT4", "INT4", "INT5"), ("UINT1", "UINT8", "UINT9")]  # fmt: skip
SCALED = [("UINT4", "UINT4", "UINT8", (1, 12)), ("INT3", "UINT5", "INT9", (-7, 5)),
          ("UINT2", "INT6", "INT14", (200, -130)), ("INT4", "INT4", "INT6", (-2, -1)),
          ("UINT1", "UINT8", "INT9", (-256, 1))]  # fmt: skip


def diamond(
    left: str, right: str, total: str, channels: int, factors: tuple[int, int] = (1, 1)
) -> HardwareGraph:
    """The input, which has both types' values, requantised on two ways and added."""
    made = Residual((3, 2, channels), 1, "INT8")
    source = made.edge
    for name in ("m", "n"):
        made.edges[name] = Edge(name, source.dtype, source.shape)
    made.layers.append(Fork("split", "image", "m", (), "n"))
    for name, act in (("m", left), ("n", right)):
        made.at = name
        made.threshold(f"{name}_quant", act)
    made.edges["sum"] = Edge("sum", DataType(total), source.shape)
    made.layers.append(Add("total", "m_quant_out", "sum", (), "n_quant_out", factors))
    return designs.graph_of(list(made.edges.values()), made.layers)


LANES = [(1, 1, 1, 1), (6, 2, 3, 6), (2, 6, 6, 1), (3, 3, 1, 2), (1, 2, 6, 3)]


@pytest.mark.parametrize(
    ("left", "right", "total", "factors", "lanes"),
    [
        *((*types, (1, 1), lanes) for types, lanes in zip(TYPES, LANES, strict=True)),
        *((*scaled, lanes) for scaled, lanes in zip(SCALED, LANES, strict=True)),
    ],
)
def test_both_ways_are_added(
    left: str,
    right: str,
    total: str,
    factors: tuple[int, int],
    lanes: tuple[int, ...],
    tmp_path: Path,
    cache: Path,
) -> None:
    graph = diamond(left, right, total, 6, factors)
    folding = {
        layer.id: Fold(pe, pe, "lut", "search" if layer.kind == "threshold" else "compare")
        for layer, pe in zip(graph.layers, lanes, strict=True)
    }
    model = designs.build(graph, folding, tmp_path, cache)
    images = designs.random_images(graph, 6, 1)
    for stalls in designs.STALLS:
        designs.require_exact(model, graph, images, stalls)


def straight(channels: int) -> HardwareGraph:
    """A fork whose outputs meet at once: 2x, without anything between."""
    source = Edge("x", DataType("INT5"), (2, 2, channels))
    copies = [Edge(name, source.dtype, source.shape) for name in "mn"]
    target = Edge("y", DataType("INT6"), source.shape)
    return designs.graph_of(
        [source, *copies, target],
        [Fork("fork", "x", "m", (), "n"), Add("add", "m", "y", (), "n")],
    )


@pytest.mark.parametrize("pe", [1, 2, 4])
def test_a_fork_and_a_join_keep_their_rate(pe: int, tmp_path: Path, cache: Path) -> None:
    graph = straight(4)
    folding = {"fork": Fold(pe, pe), "add": Fold(pe, pe)}
    model = designs.build(graph, folding, tmp_path, cache)
    images = designs.random_images(graph, 20, 1)
    assert designs.require_exact(model, graph, images).interval() == 16 // pe
    for stalls in designs.STALLS[1:]:
        result = designs.require_exact(model, graph, images, stalls)
        np.testing.assert_array_equal(result.output, 2 * images)


@pytest.mark.parametrize(
    ("name", "side", "shift", "pe"),
    [("UINT4", 4, 0, 2), ("INT5", 3, 2, 1), ("UINT8", 1, 0, 6), ("INT2", 5, 4, 3)],
)
def test_a_sum_pool_sums(
    name: str, side: int, shift: int, pe: int, tmp_path: Path, cache: Path
) -> None:
    source = Edge("x", DataType(name), (side, side, 6))
    layer = SumPool("pool", "x", "y", (), shift)
    target = Edge("y", DataType.smallest(*layer.range(source)), (1, 1, 6))
    graph = designs.graph_of([source, target], [layer])
    model = designs.build(graph, {"pool": Fold(pe, pe)}, tmp_path, cache)
    images = designs.random_images(graph, 12, 1)
    for stalls in designs.STALLS:
        designs.require_exact(model, graph, images, stalls)
    assert model.run(images).interval() == side * side * 6 // pe


@pytest.mark.parametrize(
    ("name", "size", "kernel", "shift", "pe"),
    [
        ("UINT4", (4, 6), (2, 3), 0, 2),
        ("INT5", (7, 5), (2, 2), 2, 1),  # a row and a column that fill no window
        ("UINT8", (6, 3), (3, 3), 0, 6),  # one window across
        ("INT2", (3, 9), (1, 4), 1, 3),
    ],
)
def test_a_sum_pool_sums_windows(
    name: str,
    size: tuple[int, int],
    kernel: tuple[int, int],
    shift: int,
    pe: int,
    tmp_path: Path,
    cache: Path,
) -> None:
    source = Edge("x", DataType(name), (*size, 6))
    layer = SumPool("pool", "x", "y", (), shift, kernel)
    shape = (size[0] // kernel[0], size[1] // kernel[1], 6)
    target = Edge("y", DataType.smallest(*layer.range(source)), shape)
    graph = designs.graph_of([source, target], [layer])
    model = designs.build(graph, {"pool": Fold(pe, pe)}, tmp_path, cache)
    images = designs.random_images(graph, 12, 1)
    for stalls in designs.STALLS:
        designs.require_exact(model, graph, images, stalls)
    assert model.run(images).interval() == size[0] * size[1] * 6 // pe
    lint(generate(graph, {"pool": Fold(pe, pe)}, {}, tmp_path / "alone"), tmp_path / "logs")


def random_folding(graph: HardwareGraph, seed: int) -> Folding:
    """Any legal fold of each layer whose tile compiles fast."""
    draw = random.Random(seed)
    folding = {}
    for layer in graph.layers:
        source, target = graph.edges[layer.input], graph.edges[layer.output]
        folds = [option.fold for option in costs.options(layer, source, target)]
        folding[layer.id] = draw.choice([fold for fold in folds if fold.pe * fold.simd <= 16])
    return folding


DEEP = 400
"""Beats that hold an image: no join waits for a fork that waits for it."""


@pytest.mark.parametrize("seed", range(4))
def test_a_residual_network_equals_the_reference(seed: int, tmp_path: Path, cache: Path) -> None:
    graph = network(seed)
    depths = {edge: DEEP for layer in graph.layers[1:] for edge in layer.inputs}
    model = designs.build(graph, random_folding(graph, seed), tmp_path, cache, depths)
    images = designs.random_images(graph, 8, seed)
    for stalls in designs.STALLS:
        designs.require_exact(model, graph, images, stalls)


@pytest.mark.parametrize("seed", range(2))
def test_residual_designs_are_clean(seed: int, tmp_path: Path) -> None:
    graph = network(seed)
    folding = random_folding(graph, seed)
    lint(generate(graph, folding, {"block0_fork_n": 9}, tmp_path / "design"), tmp_path / "logs")
    for layer in graph.layers:  # with all their streams as ports
        if layer.kind in ("fork", "add", "sum_pool"):
            fold = {layer.id: folding[layer.id]}
            lint(generate(alone(graph, layer), fold, {}, tmp_path / layer.id), tmp_path / "logs")
