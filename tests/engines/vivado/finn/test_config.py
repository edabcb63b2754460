"""A folding in FINN's words: every node is covered; MVAUs are RTL where FINN makes them so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from qonnx.custom_op.registry import getCustomOp

from pipeline.engines.vivado.finn import builder
from pipeline.engines.vivado.finn.config import configuration, goes_rtl, mvau_styles
from pipeline.engines.vivado.finn.fifos import finn_depths
from pipeline.engines.vivado.finn.layers import Context
from pipeline.engines.vivado.finn.model import configured
from pipeline.errors import PipelineError
from pipeline.hardware.fold import Fold
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, Layer, MaxPool, Mvau
from pipeline.rtl.streams import links
from tests.engines.vivado.finn.finn_nodes import PARTS, named, random_folding
from tests.hardware.networks import dense
from tests.hardware.residual import Residual


def convolutional(seed: int, weights: str = "INT4") -> HardwareGraph:
    made = Residual((8, 8, 3), seed)
    made.threshold("quant", "INT4")
    made.conv("c0", 6, 3, 1, "UINT4")
    height, width, channels = made.edge.shape
    pooled = Edge("p0_out", made.edge.dtype, (height // 2, width // 2, channels))
    made.add(MaxPool, "p0", pooled, kernel=(2, 2))
    return made.finish(4, shift=2)


def narrowed(layer: Layer) -> Layer:
    if not isinstance(layer, Mvau):
        return layer
    return replace(layer, weights=layer.weights.clip(layer.weights.min() + 1))


def styles(graph: HardwareGraph, style: str = "hls") -> dict[str, str]:
    return {layer.id: style for layer in graph.layers if isinstance(layer, Mvau)}


def test_every_node_has_its_fold_and_a_pool_that_of_its_window(finn_work: Path) -> None:
    builder.bootstrap(finn_work)
    graph, model = named(convolutional(1))
    folding = random_folding(graph, 1) | {"p0": Fold(2, 2), "c0_swg": Fold(27, 3, "block")}
    config = configuration(graph, folding, styles(graph))
    found = configured(model, config)
    for node in found.graph.node:
        inst = getCustomOp(node)
        for name, value in config.get(node.name, {}).items():
            assert inst.get_nodeattr(name) == value, (node.name, name)
    window, pool = graph.layer("p0").finn_names
    assert config[window] == {"SIMD": 2, "parallel_window": 0, "ram_style": "distributed"}
    assert config[pool] == {"PE": 2}
    (whole,) = graph.layer("c0_swg").finn_names
    assert config[whole] == {"SIMD": 3, "parallel_window": 1, "ram_style": "block"}
    for node in found.graph.node:
        if node.op_type == "Reshape":  # which no layer has: as wide as what reads it
            reader = getCustomOp(found.find_consumer(node.output[0]))
            lanes = getCustomOp(node).get_folded_output_shape()[-1]
            assert lanes >= min(reader.get_folded_input_shape()[-1], graph.edges["p0_out"].channels)


def test_ram_style_can_be_the_same_everywhere() -> None:
    graph = dense((24, 16, 10))
    layers = tuple(replace(x, finn_names=(f"MVAU_{x.id[2]}",)) for x in graph.layers[1:3])
    folding = {"fc0": Fold(1, 1, "block"), "fc1": Fold(1, 1)}
    only = replace(graph, layers=layers)
    for style, words in (
        ("fold", ["block", "distributed"]),
        ("block", ["block", "block"]),
        ("distributed", ["distributed", "distributed"]),
    ):
        config = configuration(only, folding, styles(only), style)
        assert [config[f"MVAU_{k}"]["ram_style"] for k in (0, 1)] == words


def test_what_is_not_covered_is_refused(finn_work: Path) -> None:
    builder.bootstrap(finn_work)
    graph, model = named(dense((24, 16, 10)))
    config = configuration(graph, random_folding(graph, 1), styles(graph))
    lost = {name: values for name, values in config.items() if name != "MVAU_1"}
    with pytest.raises(PipelineError, match="name different nodes: MVAU_1; run the stage"):
        configured(model, lost)
    with pytest.raises(PipelineError, match="name different nodes: MVAU_7"):
        configured(model, {**config, "MVAU_7": {"PE": 1}})
    strange = replace(graph.layers[0], finn_names=("Crop_0",))
    with pytest.raises(PipelineError, match="FINN's node Crop_0, of an unknown kind; known: MVAU"):
        configuration(replace(graph, layers=(strange,)), random_folding(graph, 1), {})


@pytest.mark.parametrize("family", PARTS)
@pytest.mark.parametrize(
    ("weight", "activation"),
    [("INT4", "UINT4"), ("INT4", "INT4"), ("INT3", "UINT4"), ("INT4", "UINT3"), ("INT8", "UINT8")],
)
def test_mvaus_go_where_finn_puts_them(
    finn_work: Path, family: str, weight: str, activation: str
) -> None:
    builder.bootstrap(finn_work)
    from finn.builder.build_dataflow_config import DataflowBuildConfig, ShellFlowType
    from finn.builder.build_dataflow_steps import step_minimize_bit_width_initial
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    for seed in range(3):
        graph, model = named(dense((24, 16, 10), weight, activation, seed=seed))
        if seed:  # no weight is the least one, which a DSP48E1 could not negate
            layers = tuple(narrowed(x) for x in graph.layers)
            graph, model = named(replace(graph, layers=layers))
        config = DataflowBuildConfig(
            output_dir=str(finn_work / "out"),
            synth_clk_period_ns=10.0,
            generate_outputs=[],
            shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
            board=PARTS[family][0],
        )
        model = step_minimize_bit_width_initial(model, config)
        found = model.transform(SpecializeLayers(PARTS[family][1]))
        theirs = [x.op_type == "MVAU_rtl" for x in found.graph.node if "MVAU" in x.op_type]
        context = Context.of(graph)
        ours = [goes_rtl(context, x, family) for x in graph.layers if isinstance(x, Mvau)]
        assert ours == theirs, (seed, graph)


def test_rtl_only_as_far_as_there_are_dsps() -> None:
    graph = dense((24, 16, 10), "INT4", "UINT4", seed=1)
    folding = {layer.id: Fold(1, 1) for layer in graph.layers}
    folding |= {"fc0": Fold(8, 6), "fc1": Fold(2, 4)}  # 12 and 4 DSPs
    for dsp, words in ((16, ["rtl", "rtl"]), (15, ["hls", "rtl"]), (3, ["hls", "hls"])):
        found = mvau_styles(graph, folding, "zynq-us+", dsp)
        assert [found["fc0"], found["fc1"]] == words


def test_fifos_are_twice_as_deep_as_ours_in_the_beats_of_the_writer() -> None:
    graph = dense((24, 16, 10), seed=1)
    folding = {layer.id: Fold(1, 1) for layer in graph.layers}
    folding |= {"input_quant": Fold(2, 2), "fc0": Fold(1, 24)}
    link = links(graph, folding)["input_quant_out"]
    assert link.producer_lanes == 2
    found = finn_depths(graph, folding, {"input_quant_out": 30, "fc0_out": 3, "fc1_out": 0})
    assert found["fc0_out"] == found["fc1_out"] == 32, "less costs as much"
    assert found["input_quant_out"] == 2 * 30 * link.fifo_lanes // 2
