"""A pruned graph computes what the whole one does with zeros in place of what was taken out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Layer, Mvau
from pipeline.hardware.pruned import pruned
from pipeline.rtl.folds import cycles, folds
from tests.hardware.networks import dense, images
from tests.hardware.residual import Residual


def convolutional(seed: int, kernel: int = 3) -> HardwareGraph:
    made = Residual((6, 6, 4), seed)
    made.conv("conv0", 8, 3, 1, "UINT2")
    made.conv("conv1", 4, kernel, 1, "UINT2")
    return made.finish(5)


def mvaus(graph: HardwareGraph) -> dict[str, Mvau]:
    return {layer.id: layer for layer in graph.layers if isinstance(layer, Mvau)}


def with_zeros(graph: HardwareGraph, columns: dict[str, list[int]]) -> HardwareGraph:
    def zeroed(layer: Layer) -> Layer:
        if not isinstance(layer, Mvau) or layer.id not in columns:
            return layer
        weights = layer.weights.copy()
        weights[:, np.setdiff1d(np.arange(layer.mw), columns[layer.id])] = 0
        return replace(layer, weights=weights)

    return replace(graph, layers=tuple(map(zeroed, graph.layers)))


def result(graph: HardwareGraph) -> np.ndarray:
    """The accumulators of the last MVAU."""
    last = [*mvaus(graph).values()][-1].output
    return reference.run(graph, images(graph, 6), [last])[last]


def some(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, count - 1), min_size=1, unique=True).map(sorted)


@st.composite
def choices(draw: st.DrawFn) -> tuple[HardwareGraph, dict[str, list[int]]]:
    seed = draw(st.integers(0, 5))
    graph = draw(
        st.sampled_from(
            [
                dense([24, 12, 8, 5], "INT3", "INT2", seed),
                convolutional(seed),
                convolutional(seed, kernel=1),
            ]
        )
    )
    columns = {name: draw(some(layer.mw)) for name, layer in mvaus(graph).items()}
    names = draw(st.sets(st.sampled_from(sorted(columns))))
    return graph, {name: columns[name] for name in names}


@settings(max_examples=60, deadline=None)
@given(choices())
def test_without_columns_it_computes_what_zeros_in_them_give(
    drawn: tuple[HardwareGraph, dict[str, list[int]]],
) -> None:
    graph, columns = drawn
    found = pruned(graph, columns, {})
    found.check()
    for name, kept in columns.items():
        assert mvaus(found)[name].mw == len(kept)
    np.testing.assert_array_equal(result(found), result(with_zeros(graph, columns)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5), st.data())
def test_without_outputs_it_computes_what_zeros_where_they_are_read_give(
    seed: int, data: st.DataObject
) -> None:
    flat = data.draw(st.booleans())
    graph = dense([24, 12, 8, 5], "INT3", "INT2", seed) if flat else convolutional(seed)
    writer, reader = ("fc0", "fc1") if flat else ("conv0", "conv1")
    layers = mvaus(graph)
    kept = data.draw(some(layers[writer].mh))
    names = data.draw(st.sets(st.sampled_from([writer, reader])))
    also = {name: data.draw(some(layers[name].mw)) for name in sorted(names)}
    read = [c for c in range(layers[reader].mw) if c % layers[writer].mh in kept]
    left = sorted({*read} & {*also.get(reader, read)})
    assume(left)
    found = pruned(graph, also, {writer: kept})
    found.check()
    expected = result(with_zeros(graph, {**also, reader: left}))
    np.testing.assert_array_equal(result(found), expected)
    assert mvaus(found)[writer].mh == len(kept)


@settings(max_examples=40, deadline=None)
@given(choices(), st.data())
def test_the_same_fold_never_takes_more_cycles_once_more_is_pruned(
    drawn: tuple[HardwareGraph, dict[str, list[int]]], data: st.DataObject
) -> None:
    graph, columns = drawn
    fewer = {name: kept[: data.draw(st.integers(1, len(kept)))] for name, kept in columns.items()}
    less, more = pruned(graph, columns, {}), pruned(graph, fewer, {})
    before = {layer.id: layer for layer in less.layers}
    for layer in more.layers:
        if layer.id not in before:
            continue
        source, larger = more.edges[layer.input], less.edges[before[layer.id].input]
        legal = set(folds(before[layer.id], larger))
        for fold in legal & set(folds(layer, source)):
            assert cycles(layer, fold, source) <= cycles(before[layer.id], fold, larger), layer.id


def test_nothing_taken_out_leaves_every_layer_as_it_is() -> None:
    graph = convolutional(1)
    found = pruned(graph, {"conv1": range(72)}, {"conv0": range(8)})
    assert [*map(id, found.layers)] == [*map(id, graph.layers)]
    assert found.edges == graph.edges


def test_branches_that_are_added_lose_nothing_apart() -> None:
    made = Residual((6, 6, 4), 0)
    made.conv("conv0", 8, 3, 1, "UINT2")
    made.block("block0", 8, 1, ("UINT2", "UINT2"), inner="UINT2")
    made.threshold("block0_quant", "UINT2")
    graph = made.finish(5)
    inner = pruned(graph, {}, {"block0_conv0": [0, 3, 4]})
    inner.check()
    assert mvaus(inner)["block0_conv1"].mw == 27
    with pytest.raises(PipelineError, match=r"adds two branches of other channels"):
        pruned(graph, {}, {"block0_conv1": [0, 3]})


@pytest.mark.parametrize(
    ("columns", "outputs", "message"),
    [
        ({"conv9": [1]}, {}, "conv9: the hardware graph has no such layer"),
        ({"conv1": []}, {}, "conv1: keeps no ascending choice of its 72 columns"),
        ({"conv1": [4, 3]}, {}, "conv1: keeps no ascending choice"),
        ({}, {"conv0": [8]}, "conv0: keeps no ascending choice of its 8 outputs"),
        ({}, {"fc0": [1]}, "fc0: its outputs are the classes"),
    ],
)
def test_what_cannot_be_taken_out_is_told(
    columns: dict[str, list[int]], outputs: dict[str, list[int]], message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        pruned(convolutional(0), columns, outputs)
