"""Jobs of the stages synth and implement with hardware=finn, of small networks, and their tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.engines.vivado.finn import ENGINE
from pipeline.hardware import graph as hardware
from pipeline.hardware import reference
from pipeline.hardware.fold import Folding, save_folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Job
from specs.vivado import VendorTarget
from tests.engines.vivado.finn.finn_nodes import named
from tests.hardware.networks import images
from tests.vendor.install import Failure, install
from tests.vendor.install_hls import install_hls

TARGET = VendorTarget(
    hardware="finn",
    board="Pynq-Z1",
    part="xc7z020clg400-1",
    family="zynq-7000",
    memory_port_bits=64,
    clock_mhz=100,
    lut=53200,
    ff=106400,
    bram36=140,
    dsp=220,
)
DEPTH = 5
"""Of every FIFO of our own RTL, in place of a simulation."""


def tools(root: Path, version: str = "2024.2", hls_fail: Failure | None = None) -> dict[str, Any]:
    """The settings of a machine with the fake tools, and an empty library of FINN's C++."""
    vivado = install(root / "tools", version)
    install_hls(vivado, hls_fail)
    deps = root / "deps"
    (deps / "finn-hlslib").mkdir(parents=True)
    (deps / "finn-hlslib" / "bnn-library.h").write_text("// empty\n")
    (deps / "board_files").mkdir()
    return {"vivado": str(vivado), "finn_deps": str(deps)}


def inputs(graph: HardwareGraph, folding: Folding, folder: Path) -> dict[str, Path]:
    """The folders of the stages before, of a graph without FINN's names."""
    folders = {name: folder / name for name in ("streamline", "fold", "fifos")}
    for path in folders.values():
        path.mkdir(parents=True)
    graph, model = named(graph)
    model.save(str(folders["streamline"] / "dataflow.onnx"))
    hardware.save(graph, folders["streamline"])
    drawn = images(graph, 8)
    outputs = reference.run(graph, drawn)[graph.sink.id]
    np.savez(folders["streamline"] / "golden.npz", images=drawn, outputs=outputs)
    save_folding(folding, folders["fold"] / "folding.json")
    inner = [name for x in graph.layers for name in x.outputs if name != graph.sink.id]
    document = json.dumps(dict.fromkeys(inner, DEPTH))
    (folders["fifos"] / "fifo_depths.json").write_text(document)
    return folders


def job(
    stage: str,
    root: Path,
    folders: dict[str, Path],
    settings: dict[str, Any],
    target: VendorTarget = TARGET,
) -> Job:
    folder = root / "unit" / stage
    folder.mkdir(parents=True, exist_ok=True)
    return Job(stage, "unit", {"vendor": target.model_dump()}, folders, folder, settings)


def fastest(graph: HardwareGraph) -> Folding:
    """The fold of each layer that takes the fewest cycles, of few lanes."""
    space = ENGINE.space(graph, signatures=False)
    return {
        layer: min(options, key=lambda o: (max(o.cycles, 40), o.lut)).fold
        for layer, options in zip(space.layers, space.options, strict=True)
    }
