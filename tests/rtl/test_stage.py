"""The stage as the task graph runs it, and the size of what it makes."""

import json
from pathlib import Path

import numpy as np

from pipeline import rtl
from pipeline.engines.open.synthesis import synthesise
from pipeline.hardware import graph as hardware
from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.fold import Fold, save_folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, LabelSelect, Layer, Threshold
from pipeline.job import Job
from pipeline.rtl.design import load_design
from pipeline.rtl.generator import generate
from tests.rtl import designs


def tfc() -> HardwareGraph:
    """TFC-1W1A with random weights: 784-64-64-64-10."""
    rng = np.random.default_rng(0)
    edges = [Edge("image", DataType("UINT8"), (784,)), Edge("bits", BIPOLAR, (784,))]
    layers: list[Layer] = [Threshold("quant", "image", "bits", (), np.full((784, 1), 128))]
    for k, rows in enumerate([64, 64, 64]):
        columns = edges[-1].channels
        weights = rng.choice([-1, 1], (rows, columns))
        limits = rng.normal(columns / 2, columns**0.5, (rows, 1)).astype(np.int64)
        layer, edge = designs.mvau(edges[-1], f"act{k}", weights, "BIPOLAR", "BIPOLAR", limits)
        layers.append(layer)
        edges.append(edge)
    weights = rng.choice([-1, 1], (10, 64))
    layer, edge = designs.mvau(edges[-1], "logits", weights, "BIPOLAR", None)
    layers += [layer, LabelSelect("label_select", "logits", "label")]
    edges += [edge, Edge("label", DataType("UINT4"), (1,))]
    return designs.graph_of(edges, layers)


TFC_FOLDING = {
    "quant": Fold(1, 1),
    "act0_unit": Fold(1, 56, "block"),
    "act1_unit": Fold(1, 8),
    "act2_unit": Fold(1, 8),
    "logits_unit": Fold(1, 1),
    "label_select": Fold(1, 1),
}


def test_the_stage_publishes_a_linted_design(tmp_path: Path) -> None:
    inputs = {name: tmp_path / name for name in ("streamline", "fold", "fifos")}
    for folder in (*inputs.values(), tmp_path / "rtl"):
        folder.mkdir()
    graph = designs.random_chain(3)
    hardware.save(graph, inputs["streamline"])
    save_folding(designs.random_folding(graph, 3), inputs["fold"] / "folding.json")
    (inputs["fifos"] / "fifo_depths.json").write_text(json.dumps({"act0": 4}))
    specs = {
        "board.family": "zynq-us+",
        "board.memory_port_bits": 128,
        "target.signatures": "on",
    }
    figures = rtl.run(Job("rtl", "test@board", specs, inputs, tmp_path / "rtl"))
    design = load_design(tmp_path / "rtl")
    assert design.shell is not None
    assert design.shell.signatures == design.signatures == tuple(graph.edges)
    assert (design.shell.port_bits, design.shell.address_bits) == (128, 40)
    assert figures["modules"].value == len(design.sources)
    assert figures["memory_bits"].value == design.memory_bits > 0
    assert [(fifo.edge, fifo.depth) for fifo in design.fifos] == [("act0", 4)]
    assert (tmp_path / "rtl" / "logs" / "lint-yosys.log").exists()


def test_tfc_needs_no_fifo_for_its_predicted_interval(tmp_path: Path, cache: Path) -> None:
    graph = tfc()
    model = designs.build(graph, TFC_FOLDING, tmp_path, cache)
    images = designs.random_images(graph, 40, 0)
    assert designs.require_exact(model, graph, images).interval() == 896


def test_tfc_stays_small(tmp_path: Path) -> None:
    """701 LUTs when written; the bound leaves room for other weights, not for carelessness."""
    design = generate(tfc(), TFC_FOLDING, {}, tmp_path)
    used = synthesise(
        design.sources, design.top, "zynq-7000", tmp_path, tmp_path / "out", tmp_path / "log"
    )
    assert used.lut <= 750
    assert used.ff <= 650
    assert used.bram36 <= 2
    assert used.dsp == 0
