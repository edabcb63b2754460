"""The design space under FINN's rules: a part of ours, refused in words, instant."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pipeline.engines.open import ENGINE as OPEN
from pipeline.engines.space import Budget
from pipeline.engines.vivado.finn import ENGINE
from pipeline.engines.vivado.finn.layers import Context, illegal, refused
from pipeline.errors import PipelineError
from pipeline.folding import search
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, LabelSelect, Layer, Mvau, SumPool
from tests.hardware.networks import dense
from tests.rtl.designs import graph_of


def with_layer(graph: HardwareGraph, layer: Layer) -> HardwareGraph:
    layers = tuple(layer if x.id == layer.id else x for x in graph.layers)
    return replace(graph, layers=layers)


def reasons(graph: HardwareGraph, name: str) -> str:
    return "; ".join(refused(Context.of(graph), graph.layer(name)))


def test_its_folds_are_some_of_ours() -> None:
    graph = dense((2048, 64, 10), seed=1)
    ours = OPEN.space(graph, signatures=False)
    found = ENGINE.space(graph, signatures=False)
    assert found.layers == ours.layers
    for name, mine, all_ in zip(found.layers, found.options, ours.options, strict=True):
        folds = {(o.fold.pe, o.fold.simd, o.fold.ram_style) for o in mine}
        assert folds <= {(o.fold.pe, o.fold.simd, o.fold.ram_style) for o in all_}, name
    assert min(o.fold.simd for o in found.options[1]) == 2, "2,048 columns need SIMD of 2"
    assert min(o.fold.simd for o in ours.options[1]) == 1


def test_the_search_gives_a_certificate_with_finns_numbers() -> None:
    graph = dense((784, 64, 64, 10), seed=2)
    board = Budget(53200, 280, 64)
    solution, certificate = search(
        ENGINE.space(graph, signatures=False), Budget(40000, 200, 64), board, 100, 100_000
    )
    assert solution.ii <= 1000
    assert "FINN" in certificate["searched"]
    folding = {
        layer.id: option.fold for layer, option in zip(graph.layers, solution.choice, strict=True)
    }
    ENGINE.check_folding(graph, folding)


@pytest.mark.parametrize(
    ("fold", "words"),
    [
        (Fold(1, 1), "SIMD 1; Vitis HLS needs at least MW/1,024, here 2"),
        (Fold(64, 256), "the weights have 16,384 bits a beat; FINN takes at most 8,191"),
    ],
)
def test_what_hls_cannot_do_is_illegal(fold: Fold, words: str) -> None:
    graph = dense((2048, 64, 10), seed=1)
    assert words in "; ".join(illegal(Context.of(graph), graph.layer("fc0"), fold))
    folding = {layer.id: Fold(1, 1) for layer in graph.layers} | {"fc0": fold}
    with pytest.raises(PipelineError, match="fc0: "):
        ENGINE.check_folding(graph, folding)


def test_wide_streams_are_illegal() -> None:
    graph = dense((2048, 64, 10), "INT2", "INT8", seed=1)
    found = "; ".join(illegal(Context.of(graph), graph.layer("input_quant"), Fold(2048, 2048)))
    assert "the stream image has 16,384 bits a beat; FINN takes 8,191" in found


def test_signatures_are_refused() -> None:
    with pytest.raises(PipelineError, match=r"FINN's hardware has no signatures; use signatures="):
        ENGINE.space(dense((24, 10)), signatures=True)


def test_layers_that_finn_lacks_are_refused_with_the_reason() -> None:
    graph = dense((24, 16, 10), "INT2", "UINT2", seed=3)
    mvau = graph.layer("fc0")
    assert isinstance(mvau, Mvau)
    ones = with_layer(graph, replace(mvau, weights=np.abs(np.sign(mvau.weights))))
    assert "FINN's MVAU takes no such weights of one bit" in reasons(ones, "fc0")
    with pytest.raises(
        PipelineError, match=r"fc0: all its weights lie in 0\.\.1.*hardware=rtl can"
    ):
        ENGINE.space(ones, signatures=False)
    binary = dense((24, 16, 10), "INT2", "UINT1", seed=3)
    assert "takes inputs of one bit only as -1 and +1" in reasons(binary, "fc0")
    label = graph.layer("label_select")
    assert isinstance(label, LabelSelect)
    turned = with_layer(graph, replace(label, labels=tuple(reversed(range(10)))))
    assert "have an order of their own" in reasons(turned, "label_select")


@pytest.mark.parametrize(
    ("kernel", "shift", "words"),
    [((2, 1), 0, "FINN has square windows only"), ((2, 2), 10, "FINN keeps at least one")],
)
def test_sum_pools_that_finn_lacks(kernel: tuple[int, int], shift: int, words: str) -> None:
    source = Edge("x", DataType("UINT4"), (4, 4, 2))
    pool = SumPool("pool", "x", "y", (), shift, kernel)
    shape = (4 // kernel[0], 4 // kernel[1], 2)
    graph = graph_of([source, Edge("y", DataType.smallest(*pool.range(source)), shape)], [pool])
    assert words in reasons(graph, "pool")


def test_it_needs_no_finn() -> None:
    code = (
        "import sys; from tests.hardware.networks import dense; "
        "from pipeline.engines import engine; "
        "engine('vivado.finn').space(dense((784, 64, 10)), signatures=False); "
        "sys.exit(any(name in sys.modules for name in ('finn', 'qonnx', 'onnx', 'torch')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
