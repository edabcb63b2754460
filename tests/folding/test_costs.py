"""The cost model: legal options, closed-form cycles, estimates near what was synthesised."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.folding import choice, costs
from pipeline.folding.choice import Fold
from tests.hardware.networks import dense

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def calibration() -> ModuleType:
    path = ROOT / "benchmarks" / "calibrate_costs.py"
    spec = importlib.util.spec_from_file_location("calibrate_costs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_option_is_legal_and_none_is_missing() -> None:
    graph = dense([12, 6, 4])
    options = {
        layer.id: costs.options(layer, graph.edges[layer.input], graph.edges[layer.output])
        for layer in graph.layers
    }
    base = {layer: found[0].fold for layer, found in options.items()}
    for layer, found in options.items():
        for option in found:
            choice.check(graph, {**base, layer: option.fold})
    lanes = {(o.fold.pe, o.fold.simd) for o in options["fc0"]}
    assert lanes == {(pe, simd) for pe in (1, 2, 3, 6) for simd in (1, 2, 3, 4, 6, 12)}
    blocks = {o.cycles for o in options["fc0"] if o.fold.ram_style == "block"}
    assert blocks == {72}, "a weight memory of fewer than 64 words is not worth a block RAM"


def test_illegal_folds_are_all_named() -> None:
    graph = dense([12, 6, 4])
    folding = {"input_quant": Fold(5, 5), "fc0": Fold(4, 12), "fc1": Fold(2, 4), "fc9": Fold(1, 1)}
    with pytest.raises(PipelineError) as caught:
        choice.check(graph, folding)
    for words in (
        "fc9: no such layer",
        "input_quant: PE 5 does not divide 12",
        "fc0: PE 4 does not divide 6",
        "fc1: SIMD 4 does not divide 6",
        "label_select: has no fold",
    ):
        assert words in str(caught.value)


def test_folding_files_come_back(tmp_path: Path) -> None:
    folding = {"fc0": Fold(2, 8, "block"), "label_select": Fold(1, 1)}
    choice.save(folding, tmp_path / "folding.json")
    assert choice.load(tmp_path / "folding.json") == folding


def test_the_coefficients_are_the_fit_of_the_committed_measurements(
    calibration: ModuleType,
) -> None:
    rows = list(calibration.measurements())
    assert len(rows) >= 150
    document = json.loads(costs.COEFFICIENTS.read_text())
    for kind, fitted in document.items():
        chosen = [row for row in rows if row[0].kind == kind]
        coefficients, _ = calibration.fit(chosen)
        assert np.allclose(coefficients, fitted["coefficients"], atol=1e-3), kind


def test_estimates_are_near_what_was_synthesised(calibration: ModuleType) -> None:
    rows = list(calibration.measurements())
    errors = np.array([costs.lut(shape) / counts["lut"] - 1 for shape, counts in rows])
    assert np.abs(errors).mean() < 0.15
    assert np.abs(errors).max() < 0.5
    for shape, counts in rows:
        # never fewer block RAMs than Yosys takes, and hardly more
        assert 0 <= costs.bram18(shape) - 2 * counts["bram36"] <= 0.1 * costs.bram18(shape)


def test_width_converters_cost_what_they_keep() -> None:
    assert costs.junction_luts(2, 8, 8) == 0
    assert costs.junction_luts(1, 1, 56) < costs.junction_luts(1, 56, 1)
    assert costs.junction_luts(1, 8, 28) > costs.junction_luts(1, 7, 28), "8 and 28 go through 56"
