"""FINN's specialised graph of a hardware graph under a folding, and what FINN says of its nodes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.engines.vivado.finn import builder
from pipeline.engines.vivado.finn.config import configuration, mvau_styles
from pipeline.engines.vivado.finn.layers import Context, illegal
from pipeline.engines.vivado.finn.model import configured, owners, renamed
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.folds import folds
from pipeline.streamlining import finn

PARTS = {
    "zynq-7000": ("Pynq-Z1", "xc7z020clg400-1"),
    "zynq-us+": ("Ultra96", "xczu3eg-sbva484-1-e"),
}


def named(graph: HardwareGraph) -> tuple[HardwareGraph, Any]:
    """The graph with FINN's names, and FINN's graph of it."""
    made = finn.dataflow(graph)
    names = made.names(graph)
    layers = tuple(replace(layer, finn_names=names[layer.id]) for layer in graph.layers)
    return replace(graph, layers=layers), made.model


def random_folding(graph: HardwareGraph, seed: int) -> Folding:
    """A fold of each layer that FINN can build."""
    rng, context = np.random.default_rng(seed), Context.of(graph)
    found = {}
    for layer in graph.layers:
        every = folds(layer, graph.edges[layer.input])
        legal = [fold for fold in every if not list(illegal(context, layer, fold))]
        found[layer.id] = legal[rng.integers(len(legal))]
    return found


def specialised(
    graph: HardwareGraph, model: Any, folding: Folding, work: Path, family: str, dsp: int = 0
) -> tuple[Any, dict[str, str]]:
    """FINN's model with minimised bit widths, and the layer of each of its nodes."""
    from finn.builder import build_dataflow_steps as steps
    from finn.builder.build_dataflow_config import DataflowBuildConfig, ShellFlowType

    config = DataflowBuildConfig(
        output_dir=str(work / "out"),
        synth_clk_period_ns=10.0,
        generate_outputs=[],
        standalone_thresholds=True,
        shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
        board=PARTS[family][0],
    )
    styles = mvau_styles(graph, folding, family, dsp)
    found = configured(model, configuration(graph, folding, styles))
    names = owners({layer.id: layer.finn_names for layer in graph.layers})
    with builder.mended_xnor_accumulators():
        before = steps.step_minimize_bit_width_initial(found, config)
        found = steps.step_specialize_layers(deepcopy(before), config)
        return steps.step_minimize_bit_width(found, config), renamed(names, before, found)
