"""Mutants: each kind in each layer, each one thing, each visible to the reference where it is."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import VerificationError
from pipeline.hardware import reference
from pipeline.hardware.fold import Fold
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Threshold
from pipeline.verification.compare import first_difference, require_equal
from pipeline.verification.mutants import kinds, mutants
from tests.hardware.networks import dense, images

KINDS = [("BIPOLAR", "BIPOLAR"), ("BIPOLAR", "INT2"), ("INT2", "INT2")]


@pytest.mark.parametrize(("weight", "activation"), KINDS)
def test_each_kind_in_each_layer_shows_first_where_it_is(weight: str, activation: str) -> None:
    graph = dense([24, 16, 12, 5], weight, activation, seed=3)
    folding = {layer.id: Fold(1, 4) for layer in graph.layers}
    batch = images(graph, 64)
    streams = reference.run(graph, batch)
    found = list(mutants(graph, folding, streams))
    assert [(mutant.layer, mutant.kind) for mutant in found] == [
        ("input_quant", "threshold"),
        ("fc0", "weight"),
        ("fc0", "threshold"),
        ("fc0", "lane"),
        ("fc1", "weight"),
        ("fc1", "threshold"),
        ("fc1", "lane"),
        ("fc2", "weight"),
        ("fc2", "lane"),
    ]
    assert [(mutant.layer, mutant.kind) for mutant in found] == [
        (layer.id, kind) for layer in graph.layers for kind in kinds(layer, folding[layer.id])
    ]
    for mutant in found:
        mutant.graph.check()
        difference = first_difference(graph, streams, reference.run(mutant.graph, batch))
        assert difference is not None, mutant.what
        assert difference.layer == mutant.layer
        assert changes(graph, mutant.graph) == {mutant.layer}


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("activation", ["BIPOLAR", "INT2"])
def test_levels_turned_round_show(activation: str, shared: bool) -> None:
    """One channel, unless all would then do the same; all where the design keeps one row."""
    plain = dense([8, 6, 3], "INT2", activation)
    quant = plain.layers[0]
    assert isinstance(quant, Threshold)
    falling = np.ones(8, bool) if shared else np.arange(8) == 0
    quant = replace(quant, falling=falling)
    graph = replace(plain, layers=(quant, *plain.layers[1:]))
    batch = images(graph, 16)
    streams = reference.run(graph, batch)
    folding = {layer.id: Fold(1, 1) for layer in graph.layers}
    (mutant,) = mutants(graph, folding, streams, {(quant.id, "falling")})
    difference = first_difference(graph, streams, reference.run(mutant.graph, batch))
    assert difference is not None
    assert difference.layer == mutant.layer
    changed = mutant.graph.layers[0]
    assert isinstance(changed, Threshold)
    assert changed.falling is not None
    assert np.count_nonzero(changed.falling != falling) == (8 if shared else 1)
    assert changed.shared == shared, "it fits the same design"


def changes(a: HardwareGraph, b: HardwareGraph) -> set[str]:
    return {
        x.id
        for x, y in zip(a.layers, b.layers, strict=True)
        for name in x.arrays
        if not np.array_equal(getattr(x, name), getattr(y, name))
    }


def test_a_moved_threshold_stays_in_the_accumulators_type() -> None:
    for seed in range(20):
        graph = dense([12, 8, 4], "INT2", "INT2", seed)
        folding = {layer.id: Fold(1, 4) for layer in graph.layers}
        for mutant in mutants(graph, folding, reference.run(graph, images(graph, 64, seed))):
            mutant.graph.check()


def test_no_lanes_to_swap_with_simd_one() -> None:
    graph = dense([8, 6, 3])
    folding = {layer.id: Fold(1, 1) for layer in graph.layers}
    streams = reference.run(graph, images(graph, 32))
    assert "lane" not in {mutant.kind for mutant in mutants(graph, folding, streams)}


def test_the_first_difference_is_named_in_stream_order() -> None:
    graph = dense([8, 6, 3])
    expected = reference.run(graph, images(graph, 4))
    got = {edge: values.copy() for edge, values in expected.items()}
    got["fc1_out"][0, 0] += 1
    got["fc0_out"][2, 5] *= -1
    with pytest.raises(
        VerificationError, match=r"RTL: not equal: layer fc0, image 2, element \[5\]"
    ):
        require_equal(graph, expected, got, "RTL")


def test_comparing_nothing_is_an_error_not_a_pass() -> None:
    graph = dense([8, 6, 3])
    streams = reference.run(graph, images(graph, 4))
    empty = {edge: values[:0] for edge, values in streams.items()}
    with pytest.raises(ValueError, match="stream"):
        first_difference(graph, empty, empty)
    with pytest.raises(KeyError):
        first_difference(graph, streams, {})
