"""Our closed forms of FINN's estimates against FINN's own answers, on random networks and folds."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from qonnx.custom_op.registry import getCustomOp

from pipeline.engines.vivado.finn import builder
from pipeline.engines.vivado.finn.layers import Context, cost
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, MaxPool
from tests.engines.vivado.finn.finn_nodes import PARTS, named, random_folding, specialised
from tests.hardware import networks, residual


def _residual(seed: int) -> HardwareGraph:
    made = residual.Residual((6, 6, 4), seed)
    made.threshold("quant", "INT4", falling=seed % 2 > 0)
    made.block("b0", 6, 2, (None, None), factors=(1, 3) if seed % 2 else (1, 1))
    made.threshold("act", "UINT4")
    return made.finish(4)


def _convolutions(seed: int) -> HardwareGraph:
    made = residual.Residual((9, 8 + seed % 2, 3), seed)
    made.threshold("quant", "INT4")
    made.conv("c0", 6, 3, 1 + seed % 2, "UINT2")
    height, width, channels = made.edge.shape
    pooled = Edge("p0_out", made.edge.dtype, (height // 2, width // 2, channels))
    made.add(MaxPool, "p0", pooled, kernel=(2, 2))
    made.conv("c1", 4, 3, 1, "INT4")
    made.conv("c2", 8, 1, 1, "UINT4")
    return made.finish(4, shift=2)


NETWORKS: dict[str, Callable[[int], HardwareGraph]] = {
    "xnor": lambda seed: networks.dense((96, 64, 40, 10), seed=seed),
    "ternary": lambda seed: networks.dense((60, 48, 10), "INT2", "UINT2", seed=seed),
    "bipolar weights": lambda seed: networks.dense((60, 48, 10), "BIPOLAR", "INT3", seed=seed),
    "convolutions": _convolutions,
    "residual": _residual,
}
SEEDS = range(4)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("family", PARTS)
def test_the_closed_forms_are_finns_answers(finn_work: Path, name: str, family: str) -> None:
    builder.bootstrap(finn_work)
    for seed in SEEDS:
        graph, model = named(NETWORKS[name](seed))
        folding = random_folding(graph, seed)
        nodes, names = specialised(graph, model, folding, finn_work, family)
        said: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for node in nodes.graph.node:
            inst = getCustomOp(node)
            used = inst.node_res_estimation(PARTS[family][1])
            if node.name in names:
                said[names[node.name]].append(
                    (int(inst.get_exp_cycles()), int(used["LUT"]), int(used["BRAM_18K"]))
                )
        context = Context.of(graph)
        for layer in graph.layers:
            ours = cost(context, layer, folding[layer.id])
            theirs = said[layer.id]
            assert theirs, (layer.id, layer.finn_names, [n.name for n in model.graph.node])
            assert (ours.cycles, ours.lut, ours.bram18) == (
                max(cycles for cycles, _, _ in theirs),
                sum(lut for _, lut, _ in theirs),
                sum(bram for _, _, bram in theirs),
            ), f"{name} {seed} {layer.id} {folding[layer.id]} {theirs}"
