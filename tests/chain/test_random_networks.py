"""Random networks from spec to RTL: built and equal, or refused for a listed reason."""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from pipeline.engines.open import costs
from pipeline.errors import PipelineError, SpecError
from pipeline.export.stage import to_qonnx
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.models import build
from pipeline.simulation.model import Stalls
from pipeline.streamlining import finn
from pipeline.streamlining.graph import hardware_graph
from pipeline.streamlining.proof import compare_with_logits
from specs.base import validate
from specs.input import InputSpec
from specs.models import CnvModel, FcModel
from tests.rtl import designs

EXAMPLES = 8
CONVOLUTIONAL_EXAMPLES = 8
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""What is drawn is small, and an attempt takes seconds: shrinking it would take many minutes."""
LEAST_BUILT = 0.95
LARGEST_TILE = 256
"""PE x SIMD x weight bits x activation bits of a layer: what compiles in a second or two."""
REFUSALS: tuple[str, ...] = ()
"""Every reason for which a network that can be written down may be refused: none is known."""

BITS = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8])
NETWORKS = st.fixed_dictionaries(
    {
        "hidden": st.lists(st.integers(1, 24), min_size=1, max_size=4),
        "classes": st.integers(2, 11),
        "weight_bits": BITS,
        "activation_bits": BITS,
        "input_bits": BITS,
    }
)
CONVOLUTION = st.fixed_dictionaries(
    {
        "channels": st.integers(1, 6),
        "kernel": st.integers(1, 3),
        "stride": st.integers(1, 2),
        "padding": st.integers(0, 1),
        "pool": st.integers(1, 2),
        "weight_bits": st.none() | BITS,
        "activation_bits": st.none() | BITS,
    }
)
CONVOLUTIONAL = st.fixed_dictionaries(
    {
        "family": st.just("cnv"),
        "convolutions": st.lists(CONVOLUTION, min_size=1, max_size=3),
        "dense": st.lists(
            st.fixed_dictionaries({"width": st.integers(1, 12)}), min_size=0, max_size=2
        ),
        "classes": st.integers(2, 6),
        "weight_bits": BITS,
        "activation_bits": BITS,
        "input_bits": st.integers(2, 8),
    }
)
MAPS = st.tuples(st.integers(4, 9), st.integers(4, 9), st.sampled_from([1, 3]))
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 5), st.sampled_from([1, 1, 3]))


def trained(spec: FcModel | CnvModel, contract: InputSpec, seed: int) -> torch.nn.Module:
    """A network of random weights whose batch norms have seen data and rise, fall or stay."""
    torch.manual_seed(seed)
    model = build(spec, contract)
    height, width, channels = contract.shape
    model.train()
    for _ in range(10):
        model(torch.rand(50, channels, height, width))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.weight.data.uniform_(-1.5, 1.5)
            module.weight.data[module.weight.data.abs() < 0.15] = 0
            module.bias.data.uniform_(-0.5, 0.5)
    return model.eval()


def random_folding(graph: HardwareGraph, draw: random.Random) -> Folding:
    """Any legal fold of each layer whose tile is small enough to compile fast."""
    folding = {}
    for layer in graph.layers:
        source, target = graph.edges[layer.input], graph.edges[layer.output]
        bits = source.dtype.bits * (layer.weight_dtype.bits if layer.kind == "mvau" else 1)  # type: ignore[attr-defined]
        options = [option.fold for option in costs.options(layer, source, target)]
        small = [fold for fold in options if fold.pe * fold.simd * bits <= LARGEST_TILE]
        folding[layer.id] = draw.choice(small or options[:1])
    return folding


def prove(
    spec: FcModel | CnvModel, contract: InputSpec, seed: int, work: Path, cache: Path
) -> None:
    """Export, streamline, fold at random, generate, simulate with and without stalls: all equal."""
    model = trained(spec, contract, seed)
    height, width, channels = contract.shape
    qonnx = to_qonnx(model, torch.rand(1, channels, height, width), work / "model.onnx")
    found = hardware_graph(qonnx, "net", contract, "label")
    graph = found.graph
    images = np.random.default_rng(seed).integers(0, 256, (64, *contract.shape), np.uint8)
    planes = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float()
    with torch.no_grad():
        logits = model(planes * contract.scale).numpy()
    if np.ptp(logits) > 0:
        compare_with_logits(found, qonnx, images, logits)
    finn.compare(graph, finn.dataflow(graph), images[:4])
    draw = random.Random(seed)
    folding = random_folding(graph, draw)
    depths = {edge: draw.randrange(6) for edge in graph.edges}
    accelerator = designs.build(graph, folding, work, cache, depths)
    for stalls in (None, Stalls(seed=seed)):
        designs.require_exact(accelerator, graph, images[:10], stalls)


def outcome(spec: FcModel | CnvModel, contract: InputSpec, seed: int, cache: Path) -> str:
    """`built`, or `refused` if that is for a listed reason."""
    try:
        with tempfile.TemporaryDirectory() as work:
            prove(spec, contract, seed, Path(work), cache)
    except PipelineError as error:
        if not any(re.search(reason, str(error)) for reason in REFUSALS):
            raise
        return "refused"
    return "built"


def test_every_network_is_proved_or_refused_for_a_listed_reason(
    finn_work: Path, cache: Path
) -> None:
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=PHASES,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(NETWORKS, SHAPES, st.integers(0, 2**31 - 1))
    def attempt(network: dict[str, object], shape: tuple[int, int, int], seed: int) -> None:
        spec = validate(FcModel, network, "model")
        outcomes[outcome(spec, InputSpec(shape=shape), seed, cache)] += 1

    attempt()
    assert outcomes.total() >= EXAMPLES // 2
    assert outcomes["built"] >= LEAST_BUILT * outcomes.total(), outcomes


def test_every_network_of_convolutions_is_proved_or_refused_for_a_listed_reason(
    finn_work: Path, cache: Path
) -> None:
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=CONVOLUTIONAL_EXAMPLES,
        deadline=None,
        phases=PHASES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(CONVOLUTIONAL, MAPS, st.integers(0, 2**31 - 1))
    def attempt(network: dict[str, Any], shape: tuple[int, int, int], seed: int) -> None:
        try:
            spec = validate(CnvModel, network, "model")
            spec.feature_map(shape)
        except (SpecError, ValueError):
            assume(False)  # not a network: a kernel beyond its map, zeros around one bit
        outcomes[outcome(spec, InputSpec(shape=shape), seed, cache)] += 1

    attempt()
    assert outcomes.total() >= CONVOLUTIONAL_EXAMPLES // 2
    assert outcomes["built"] >= LEAST_BUILT * outcomes.total(), outcomes


@pytest.mark.parametrize("bits", [(1, 1, 1), (2, 2, 2), (8, 8, 8)])
def test_a_wrong_weight_would_be_seen(
    finn_work: Path, cache: Path, tmp_path: Path, bits: tuple[int, int, int]
) -> None:
    """The check above can fail."""
    weight, activation, first = bits
    spec = FcModel(
        hidden=(8,), classes=4, weight_bits=weight, activation_bits=activation, input_bits=first
    )
    contract = InputSpec(shape=(3, 3, 1))
    model = trained(spec, contract, 1)
    qonnx = to_qonnx(model, torch.rand(1, 1, 3, 3), tmp_path / "model.onnx")
    graph = hardware_graph(qonnx, "net", contract, "label").graph
    folding = random_folding(graph, random.Random(1))
    accelerator = designs.build(graph, folding, tmp_path, cache)
    images = np.random.default_rng(1).integers(0, 256, (20, 3, 3, 1), np.uint8)
    designs.require_exact(accelerator, graph, images)
    graph.layer("fc1").weights[2] *= -1  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="fc1"):
        designs.require_exact(accelerator, graph, images)
