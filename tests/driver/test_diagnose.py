"""`diagnose` on the Verilated shell: each mutant and bit flip by its layer, and no false alarm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.driver.proof import VerilatedBoard, load
from pipeline.hardware import reference
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, Threshold
from pipeline.rtl.generator import write_memories
from pipeline.simulation.build_shell import build_shell
from pipeline.verification.mutants import kinds, mutants
from specs.input import InputSpec
from tests.driver import fakes
from tests.hardware import networks
from tests.rtl import designs, maps

COUNT, MEMORY = 50, 1 << 18
RUNS_OF_TEN_THOUSAND = 10_000 // (2 * COUNT)


class Bench:
    """A package with signatures, and its Verilated shell with other memories or faults."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.graph: HardwareGraph = networks.dense((12, 10, 8, 6), "INT2", "UINT2", seed=3)
        self.folding: Folding = {layer.id: Fold(2, 2) for layer in self.graph.layers}
        self.images = networks.images(self.graph, COUNT)
        self.design = fakes.package(folder, self.graph, self.images, pe=2)
        self.folder, self.library = folder, folder / "shell.so"
        build_shell(folder / "rtl", self.library, cache, flips=True)
        self.driver: Any = load(folder / "driver.py")

    def board(self, memories: Path | None = None) -> VerilatedBoard:
        return VerilatedBoard(self.library, memories or self.folder / "rtl", MEMORY)

    def diagnosed(self, board: VerilatedBoard) -> dict[str, Any]:
        with self.driver.Accelerator(self.folder, batch=COUNT, board=board) as accelerator:
            found: dict[str, Any] = accelerator.diagnose()
        return found

    def writer(self, edge: str) -> str:
        return next(layer.id for layer in self.graph.layers if edge in layer.outputs)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Bench:
    return Bench(tmp_path_factory.mktemp("package"), cache)


def test_every_mutant_is_named_by_its_layer(bench: Bench, tmp_path: Path) -> None:
    streams = reference.run(bench.graph, bench.images)
    wanted = {(x.id, kind) for x in bench.graph.layers for kind in kinds(x, bench.folding[x.id])}
    seen = set()
    for mutant in mutants(bench.graph, bench.folding, streams):
        memories = tmp_path / f"{mutant.layer}-{mutant.kind}"
        write_memories(mutant.graph, bench.folding, memories)
        found = bench.diagnosed(bench.board(memories))
        assert found["layer"] == mutant.layer, mutant.what
        assert found["deterministic"]
        assert not found["ok"]
        assert mutant.layer in found["verdict"]
        seen.add((mutant.layer, mutant.kind))
    assert seen == wanted


def test_a_bit_that_flips_is_named_by_the_layer_that_writes_it(bench: Bench) -> None:
    for edge in bench.design.signatures:
        board = bench.board()
        board.shell.flip(edge)
        found = bench.diagnosed(board)
        assert found["stream"] == edge
        assert found["deterministic"]
        if edge == bench.graph.source.id:
            assert "when it enters the accelerator" in found["verdict"]
        else:
            assert found["layer"] == bench.writer(edge)


def test_a_bit_that_flips_now_and_then_is_a_board_that_is_not_deterministic(bench: Bench) -> None:
    board = bench.board()
    board.shell.flip("fc1_out", chance=0.05)
    found = bench.diagnosed(board)
    assert not found["deterministic"]
    assert found["stream"] == "fc1_out"
    assert "not deterministic" in found["verdict"]


def test_ten_thousand_images_give_no_false_alarm(bench: Bench) -> None:
    """However the memory stalls, since a signature counts beats and not cycles."""
    random = np.random.default_rng(0)
    for _ in range(RUNS_OF_TEN_THOUSAND):
        board = bench.board()
        for side in ("input", "output"):
            board.shell.memory_speed(
                side,
                latency=int(random.integers(1, 200)),
                stall=float(random.uniform(0, 0.9)),
                outstanding=int(random.integers(1, 17)),
            )
        assert bench.diagnosed(board)["ok"]


def strided() -> HardwareGraph:
    """Windows that leave the last rows, behind a slow layer: its last beats come long after the
    last output."""
    rng = np.random.default_rng(0)
    image, shape = Edge("image", DataType("UINT8"), (16, 32, 1)), (16, 32, 1)
    act = Edge("input", DataType("INT4"), shape)
    limits = np.sort(rng.integers(0, 256, (1, 15)), axis=1)
    mixed, edge = designs.random_mvau(rng, Edge("input", act.dtype, (1,)), "mixed", 16)
    pixels = Edge("mixed", edge.dtype, (*shape[:2], 16))
    window, windows = maps.swg(pixels, (2, 2), (8, 4))
    flat = Edge(windows.id, windows.dtype, (windows.channels,))
    last, out = designs.mvau(flat, "out", rng.choice([-1, 1], (2, 64)), "BIPOLAR", None)
    layers = [Threshold("quant", "image", "input", (), limits, -8), mixed, window, last]
    result = Edge("out", out.dtype, (*windows.shape[:2], 2))
    graph = designs.graph_of([image, act, pixels, windows, result], layers)
    return replace(graph, input=InputSpec(shape=shape))


def test_beats_that_a_layer_drops_count_although_the_last_output_has_left(
    tmp_path: Path, cache: Path
) -> None:
    graph = strided()
    images = designs.random_images(graph, 3, 1)
    fakes.package(tmp_path, graph, images)
    build_shell(tmp_path / "rtl", tmp_path / "shell.so", cache)
    board = VerilatedBoard(tmp_path / "shell.so", tmp_path / "rtl", MEMORY)
    driver: Any = load(tmp_path / "driver.py")
    with driver.Accelerator(tmp_path, batch=len(images), board=board) as accelerator:
        found = accelerator.diagnose()
    assert found["ok"], found["verdict"]
