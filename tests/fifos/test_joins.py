"""FIFOs between forks and joins: the II is kept, and the skipping branch cannot get stuck."""

from pathlib import Path

import pytest

from pipeline import fifos
from pipeline.engines.open import ENGINE
from pipeline.hardware.fold import Fold
from pipeline.simulation.model import StuckError
from tests.hardware.residual import images, network
from tests.rtl import designs


def test_depths_of_branches_keep_the_ii_and_never_get_stuck(tmp_path: Path, cache: Path) -> None:
    graph = network(3)
    folding = {
        layer.id: Fold(1, 3 if layer.id.startswith("conv0") else 1) for layer in graph.layers
    }
    folding |= {name: Fold(4, 12) for name in ("block0_conv0", "block0_conv1", "block1_conv1")}
    folding |= {name: Fold(3, 3) for name in ("conv0_pad", "conv0_swg")}
    folding |= {"conv0": Fold(4, 9), "block1_conv0": Fold(4, 12), "block1_shortcut": Fold(2, 2)}
    batch = images(graph, fifos.IMAGES)
    depths, ii = fifos.size(graph, folding, batch, tmp_path, cache, ENGINE)
    skip = depths["block0_fork_n"]
    assert skip > graph.edges["block0_fork_n"].channels * 6, (
        "a row of the map is under way at least"
    )

    model = designs.build(graph, folding, tmp_path / "sized", cache, depths)
    assert designs.require_exact(model, graph, batch).interval() == ii
    for stalls in designs.STALLS[1:]:
        designs.require_exact(model, graph, batch[:8], stalls)
    short = designs.build(graph, folding, tmp_path / "short", cache, {**depths, "block0_fork_n": 8})
    for pattern in designs.STALLS:
        with pytest.raises(StuckError, match="no stream moved"):
            short.run(batch[:8], stalls=pattern)
