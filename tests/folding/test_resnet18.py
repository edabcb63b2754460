"""resnet18_4w4a at full width: what no supported board can hold, and what a larger one does."""

import pytest

from pipeline.engines.open import costs
from pipeline.engines.space import Budget, Space
from pipeline.errors import DoesNotFit
from pipeline.folding import search
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.folds import check_folding, cycles
from tests.hardware.residual import Residual


def resnet18() -> HardwareGraph:
    """The graph that FINN's streamlining gives, but for the values of weights and thresholds."""
    made = Residual((32, 32, 3), 0)
    made.conv("conv0", 64, 3, 1, "UINT4")
    for number in range(8):
        channels = 64 << number // 2
        stride = 2 if number in (2, 4, 6) else 1
        made.block(f"block{number}", channels, stride, ("UINT4", "UINT4"), inner="UINT4")
        made.threshold(f"block{number}_quant", "UINT4")
    return made.finish(10)


@pytest.fixture(scope="module")
def graph() -> HardwareGraph:
    return resnet18()


@pytest.fixture(scope="module")
def space(graph: HardwareGraph) -> Space:
    return costs.space(graph)


def budgets(lut: int, bram36: int, port: int) -> tuple[Budget, Budget]:
    """What may be taken of a board, and the board."""
    board = Budget(lut, 2 * bram36, port)
    return Budget(0.85 * lut, 0.95 * board.bram18, port), board


@pytest.mark.parametrize(
    ("lut", "bram36", "port"), [(53_200, 140, 64), (70_560, 216, 128)], ids=["Pynq-Z1", "Ultra96"]
)
def test_it_does_not_fit_and_the_figures_are_told(
    lut: int, bram36: int, port: int, space: Space
) -> None:
    budget, board = budgets(lut, bram36, port)

    with pytest.raises(DoesNotFit, match=r"not even the slowest .* [\d,]+ .* needed, [\d,]+ there"):
        search(space, budget, board, 100.0, None)


def test_a_larger_board_takes_it(graph: HardwareGraph, space: Space) -> None:
    budget, board = budgets(400_000, 2_000, 128)
    solution, certificate = search(space, budget, board, 100.0, 20.0)
    folding = {x: option.fold for x, option in zip(space.layers, solution.choice, strict=True)}
    check_folding(graph, folding)
    counts = [cycles(layer, folding[layer.id], graph.edges[layer.input]) for layer in graph.layers]
    assert max(counts) == solution.ii <= 5_000_000
    assert solution.lut <= budget.lut
    assert solution.bram18 <= budget.bram18
    assert "both ways between a fork and a join" in certificate["proof"]
