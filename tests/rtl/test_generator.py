"""What the generator writes: files, names, memories, refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, Mvau, Threshold
from pipeline.rtl.accelerator import Names
from pipeline.rtl.design import load_design
from pipeline.rtl.generator import generate, write_memories
from pipeline.rtl.memories import Memory, row_correction, sum_shift, weight_memory
from pipeline.rtl.modules import files, needed_modules
from tests.rtl import designs


def test_a_design_reads_back(tmp_path: Path) -> None:
    graph = designs.random_chain(1)
    design = generate(graph, designs.random_folding(graph, 1), {"act0": 5}, tmp_path)
    assert load_design(tmp_path) == design
    assert {path.name for path in tmp_path.iterdir()} == {
        *design.sources, *design.memories, design.waivers, "design.json",
    }  # fmt: skip
    assert [fifo.depth for fifo in design.fifos] == [5]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    graph = designs.random_chain(2)
    folding = designs.random_folding(graph, 2)
    for name in "ab":
        generate(graph, folding, {}, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_illegal_folds_and_depths_are_refused(tmp_path: Path) -> None:
    graph = designs.random_chain(1)
    folding = designs.random_folding(graph, 1)
    with pytest.raises(PipelineError, match="act0_unit: PE 7 does not divide"):
        generate(graph, {**folding, "act0_unit": Fold(7, 1)}, {}, tmp_path)
    with pytest.raises(PipelineError, match=r"no such edge.*act9: 4"):
        generate(graph, folding, {"act9": 4}, tmp_path)
    with pytest.raises(PipelineError, match=r"negative depth.*act0: -1"):
        generate(graph, folding, {"act0": -1}, tmp_path)


def test_modules_come_after_those_they_use() -> None:
    order = needed_modules("  mvau #(")
    for name in order:
        inner = needed_modules(files()[name].read_text().replace(f"module {name}", ""))
        assert all(order.index(other) < order.index(name) for other in inner if other != name)
    assert "threshold" not in order
    assert {"popcount", "rom", "fifo", "replay_buffer"} <= set(order)


def test_ids_become_verilog_names() -> None:
    edges = [Edge(name, DataType("UINT2"), (2,)) for name in ("input", "a__b.c", "9")]
    limits = np.tile([1, 2, 3], (2, 1))
    graph = designs.graph_of(
        edges,
        [
            Threshold("reg", "input", "a__b.c", (), limits),
            Threshold("x", "a__b.c", "9", (), limits),
        ],
    )
    names = Names(graph)
    assert names.edges == {"input": "n_input", "a__b.c": "a_b_c", "9": "n_9"}
    assert names.layers["reg"] == "n_reg"


def test_ids_that_collide_are_refused() -> None:
    edges = [Edge(name, DataType("UINT2"), (2,)) for name in ("a.b", "a_b")]
    limits = np.tile([1, 2, 3], (2, 1))
    graph = designs.graph_of(edges, [Threshold("t", "a.b", "a_b", (), limits)])
    with pytest.raises(PipelineError, match="both become 'a_b'"):
        Names(graph)


def test_memory_words_have_element_zero_in_the_lowest_bits() -> None:
    assert Memory.of(np.array([[1, 2], [-1, 0]]), 5).text() == "041\n01f\n"
    assert Memory.of(np.array([[1]]), 1).text() == "1\n"


def test_weight_memory_pads_where_the_address_stays_as_short() -> None:
    weights = np.ones((4, 6), np.int64)
    layer = Mvau("m", "x", "y", weights=weights, accumulator=DataType("UINT3"), popcount=True)
    assert len(weight_memory(layer, 1, 2).words) == 16  # 4 folds x 3 steps, addressed as 4 x 4
    assert len(weight_memory(layer, 4, 2).words) == 4  # 1 x 3 as 1 x 4
    five = replace(layer, weights=np.ones((5, 10), np.int64))
    assert len(weight_memory(five, 1, 2).words) == 25  # 5 x 5: joined would need a sixth bit


@pytest.mark.parametrize("weight", designs.WEIGHTS)
@pytest.mark.parametrize("act", designs.ACTIVATIONS)
def test_row_correction_makes_up_for_the_plane_sums(weight: str, act: str) -> None:
    """The sum of popcounts that dot_product.v documents, done here one pair of bits at a time."""
    rng = np.random.default_rng(0)
    source = Edge("x", DataType(act), (9,))
    dtype = DataType(weight)
    weights = rng.integers(dtype.min, dtype.max + 1, (5, 9))
    x = rng.integers(source.dtype.min, source.dtype.max + 1, 9)
    weights = rng.choice([-1, 1], (5, 9)) if dtype.bipolar else weights
    x = rng.choice([-1, 1], 9) if source.dtype.bipolar else x
    layer, _ = designs.mvau(source, "y", weights, weight, None, popcount=False)
    a, b = source.dtype.encode(x).astype(np.int64), dtype.encode(weights).astype(np.int64)
    total = np.zeros(5, np.int64)
    for i in range(source.dtype.bits):
        for j in range(dtype.bits):
            sign_a = source.dtype.signed and not source.dtype.bipolar and i == source.dtype.bits - 1
            sign_b = dtype.signed and not dtype.bipolar and j == dtype.bits - 1
            p, q = a >> i & 1, b >> j & 1
            xnor, product = ~(p ^ int(sign_a) ^ q) & 1, (p & q) ^ int(sign_a != sign_b)
            hits = xnor if dtype.bipolar else product
            total += hits.sum(axis=1) << (i + j)
    got = (total << sum_shift(layer, source.dtype)) + row_correction(layer, source.dtype)
    np.testing.assert_array_equal(got, weights @ x)


def test_changed_memories_change_the_model_without_compiling(tmp_path: Path, cache: Path) -> None:
    graph = designs.random_chain(5)
    folding = designs.random_folding(graph, 5)
    model = designs.build(graph, folding, tmp_path, cache)
    last = graph.layer("logits_unit")
    assert isinstance(last, Mvau)
    weights = last.weights.copy()
    weights[1, 2] = -weights[1, 2]
    layers = (*graph.layers[:-2], replace(last, weights=weights), graph.layers[-1])
    changed: HardwareGraph = replace(graph, layers=layers)
    write_memories(changed, folding, tmp_path / "changed")
    images = designs.random_images(graph, 10, 5)
    before = designs.require_exact(model, graph, images).streams["logits"]
    after = model.run(images, memory_folder=tmp_path / "changed", trace=10).streams["logits"]
    assert np.unique(np.argwhere(before != after)[:, 1]).tolist() == [1]
