"""QONNX files of random structure: what is built gives the scores of the raw file."""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.data.inputs import draw
from pipeline.errors import PipelineError
from pipeline.hardware.layers import LabelSelect, Mvau
from pipeline.simulation.model import Stalls
from pipeline.streamlining import finn
from specs.network import Output
from tests.chain.test_random_networks import random_folding
from tests.export import product
from tests.export.independent import Judged, judge
from tests.export.random_files import Random
from tests.rtl import designs

EXAMPLES = 20
INPUTS = 16
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Shrinking would write and build many files for each step."""
REFUSALS: tuple[str, ...] = ()
"""What a network of random weights may rightly be refused for: nothing is known."""
LEAST_BUILT = 0.95
MOST_TIES = 0.2
"""Of all inputs, those that float32 may round across a border somewhere in the network."""


def test_random_files(tmp_path: Path, finn_work: Path) -> None:
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=PHASES,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(seed=st.integers(0, 100_000))
    def attempt(seed: int) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            net = Random(seed, Path(folder) / "model.onnx")
            output: Output = "label" if net.outputs > 1 and seed % 2 else "logits"
            try:
                graph = product.of_file(net.path, net.contract, output)
            except PipelineError as error:
                if not any(re.search(reason, str(error)) for reason in REFUSALS):
                    raise
                outcomes["refused"] += 1
                return
            assert isinstance(graph.layers[-1], LabelSelect) == (output == "label"), net.told
            inputs = draw(net.contract, INPUTS)
            judged = judge(net.path, graph, inputs, net.layout)
            finn.compare(graph, finn.dataflow(graph), inputs[:1])
        outcomes.update(built=1, equal=judged.equal, ties=judged.ties)

    attempt()
    built, refused = outcomes["built"], outcomes["refused"]
    assert built >= EXAMPLES // 2, outcomes
    assert built >= LEAST_BUILT * (built + refused), outcomes
    assert outcomes["ties"] <= MOST_TIES * INPUTS * built, outcomes


@pytest.mark.parametrize("seed", [3, 22, 26, 28])
def test_their_rtl_is_bit_exact(tmp_path: Path, cache: Path, seed: int) -> None:
    net = Random(seed, tmp_path / "model.onnx")
    graph = product.of_file(net.path, net.contract, "logits")
    inputs = draw(net.contract, 10)
    judge(net.path, graph, inputs, net.layout)
    folding = random_folding(graph, random.Random(seed))
    depths = {edge.id: edge.elements for edge in graph.edges.values()}
    accelerator = designs.build(graph, folding, tmp_path / "rtl", cache, depths)
    designs.require_exact(accelerator, graph, inputs)
    designs.require_exact(accelerator, graph, inputs, Stalls(seed, 0.4, 0.4))


def test_a_wrong_weight_would_be_seen(tmp_path: Path) -> None:
    """The check above can fail."""
    net = Random(0, tmp_path / "model.onnx")
    graph = product.of_file(net.path, net.contract, "logits")
    inputs = draw(net.contract, INPUTS)
    assert judge(net.path, graph, inputs, net.layout) == Judged(INPUTS, 0)
    layer = next(layer for layer in graph.layers if isinstance(layer, Mvau))
    layer.weights[:, 0] *= -1
    with pytest.raises(AssertionError, match="the file gives"):
        judge(net.path, graph, inputs, net.layout)
