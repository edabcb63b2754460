"""The cost model: legal options, closed-form cycles, estimates near what was synthesised."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pipeline.engines.open import costs
from pipeline.engines.open.shapes import Shape, bram18, shape_of
from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import Fold, load_folding, save_folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, Mvau, SlidingWindow
from pipeline.rtl.folds import check_folding, threshold_styles
from pipeline.rtl.ram import LUTS_OF_A_BRAM18
from specs.input import InputSpec
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
            check_folding(graph, {**base, layer: option.fold})
    lanes = {(o.fold.pe, o.fold.simd) for o in options["fc0"]}
    assert lanes == {(pe, simd) for pe in (1, 2, 3, 6) for simd in (1, 2, 3, 4, 6, 12)}
    blocks = {o.cycles for o in options["fc0"] if o.fold.ram_style == "block"}
    assert blocks == {72}, "a weight memory of fewer than 64 words is not worth a block RAM"


def test_illegal_folds_are_all_named() -> None:
    graph = dense([12, 6, 4])
    folding = {"input_quant": Fold(5, 5), "fc0": Fold(4, 12), "fc1": Fold(2, 4), "fc9": Fold(1, 1)}
    with pytest.raises(PipelineError) as caught:
        check_folding(graph, folding)
    for words in (
        "fc9: no such layer",
        "input_quant: PE 5 does not divide 12",
        "fc0: PE 4 does not divide 6",
        "fc1: SIMD 4 does not divide 6",
        "label_select: has no fold",
    ):
        assert words in str(caught.value)


def window(size: tuple[int, int, int], kernel: tuple[int, int]) -> HardwareGraph:
    source = Edge("x", DataType("INT4"), size)
    rows, columns = (size[0] - kernel[0] + 1, size[1] - kernel[1] + 1)
    target = Edge("y", source.dtype, (rows, columns, kernel[0] * kernel[1] * size[2]))
    layer = SlidingWindow("swg", "x", "y", (), kernel)
    return HardwareGraph("window", InputSpec(), {"x": source, "y": target}, (layer,))


@pytest.mark.parametrize(
    ("size", "kernel", "whole"),
    [
        ((5, 6, 4), (3, 3), (36, 4)),
        ((5, 6, 4), (1, 2), (8, 4)),
        ((5, 6, 4), (1, 1), None),  # whole anyway
        ((5, 2, 4), (2, 2), None),  # written three columns before
        ((5, 2, 4), (1, 2), (8, 4)),
    ],
)
def test_a_window_may_be_handed_out_whole(
    size: tuple[int, int, int], kernel: tuple[int, int], whole: tuple[int, int] | None
) -> None:
    graph = window(size, kernel)
    (layer,) = graph.layers
    options = costs.options(layer, graph.source, graph.sink)
    lanes = {(option.fold.pe, option.fold.simd) for option in options}
    assert lanes == {(1, 1), (2, 2), (4, 4), *([whole] if whole else [])}
    for option in options:
        check_folding(graph, {"swg": option.fold})
        assert (option.input_lanes, option.output_lanes) == (option.fold.simd, option.fold.pe)
        if (option.fold.pe, option.fold.simd) == whole:
            assert option.cycles == size[0] * size[1]
    for fold in (Fold(36, 2), Fold(4, 2), Fold(18, 4)):
        with pytest.raises(PipelineError, match=f"swg: PE {fold.pe} is not SIMD {fold.simd}"):
            check_folding(graph, {"swg": fold})


def test_styles_that_a_layer_cannot_have_are_all_named() -> None:
    graph = dense([12, 6, 4], "INT8", "INT8")
    folding = {
        "input_quant": Fold(1, 1, "lut", "table"),  # 8 bits
        "fc0": Fold(1, 1, "lut", "table"),  # far more
        "fc1": Fold(1, 1, "lut", "search"),  # no thresholds
        "label_select": Fold(1, 1, "flash", "guess"),  # type: ignore[arg-type]
    }
    with pytest.raises(PipelineError) as caught:
        check_folding(graph, folding)
    assert "input_quant" not in str(caught.value)
    for words in (
        "fc0: threshold_style 'table'; allowed for this layer: compare, search",
        "fc1: threshold_style 'search'; allowed for this layer: compare",
        "label_select: ram_style 'flash'; allowed: lut, block",
        "label_select: threshold_style 'guess'; allowed for this layer: compare",
    ):
        assert words in str(caught.value)


def test_folding_files_come_back(tmp_path: Path) -> None:
    folding = {"fc0": Fold(2, 8, "block", "search"), "label_select": Fold(1, 1)}
    save_folding(folding, tmp_path / "folding.json")
    assert load_folding(tmp_path / "folding.json") == folding


def test_a_folding_file_without_styles_compares(tmp_path: Path) -> None:
    file = tmp_path / "folding.json"
    file.write_text('{"layers": {"fc0": {"pe": 2, "simd": 8, "ram_style": "block"}}}')
    assert load_folding(file) == {"fc0": Fold(2, 8, "block", "compare")}


def test_the_style_is_the_cheapest_of_each_fold() -> None:
    graph = dense([64, 32, 4], "INT4", "UINT8")
    for layer in graph.layers:
        source, target = graph.edges[layer.input], graph.edges[layer.output]
        for option in costs.options(layer, source, target):
            shape = shape_of(layer, source, option.fold)
            assert (option.lut, option.bram18) == (costs.lut(shape), bram18(shape))
            for style in threshold_styles(layer, source):
                other = replace(shape, fold=replace(option.fold, threshold_style=style))
                price = costs.lut(other) + LUTS_OF_A_BRAM18 * bram18(other)
                assert option.lut + LUTS_OF_A_BRAM18 * option.bram18 <= price
        if layer.id == "fc0":
            options = costs.options(layer, source, target)
            assert {option.fold.threshold_style for option in options} == {"search"}


def test_a_deep_search_takes_block_ram() -> None:
    fold = Fold(1, 1, "lut", "search")
    shape = Shape("threshold", 8, 0, False, 1024, 1024, 3, 8, False, fold)
    assert bram18(shape) == 1 + 1  # 1024 and 2048 words of 9 bits
    assert bram18(replace(shape, shared=True)) == 0


def test_the_coefficients_are_the_fit_of_the_committed_measurements(
    calibration: ModuleType,
) -> None:
    rows = list(calibration.measurements())
    assert len(rows) >= 150
    document = json.loads(costs.COEFFICIENTS.read_text())
    for model, fitted in document.items():
        chosen = [row for row in rows if row[0].model == model]
        coefficients, _ = calibration.fit(chosen)
        assert np.allclose(coefficients, fitted["coefficients"], atol=1e-3), model


def test_estimates_are_near_what_was_synthesised(calibration: ModuleType) -> None:
    rows = list(calibration.measurements())
    errors = np.array([costs.lut(shape) / counts["lut"] - 1 for shape, counts in rows])
    assert np.abs(errors).mean() < 0.15
    assert np.abs(errors).max() < 0.5
    for shape, counts in rows:
        # never fewer block RAMs than Yosys takes, and hardly more
        assert 0 <= bram18(shape) - 2 * counts["bram36"] <= 0.1 * bram18(shape)


def test_width_converters_cost_what_they_keep() -> None:
    assert costs.junction_luts(2, 8, 8) == 0
    assert costs.junction_luts(1, 1, 56) < costs.junction_luts(1, 56, 1)
    assert costs.junction_luts(1, 8, 28) > costs.junction_luts(1, 7, 28), "8 and 28 go through 56"


def test_a_layer_without_fold_costs_what_its_weights_other_than_zero_cost() -> None:
    """So the search of a fold sees the zeros; a fold of several tiles stores them as others."""
    graph = dense([24, 16, 4], "INT2", "INT2")
    layer = graph.layer("fc0")
    assert isinstance(layer, Mvau)
    source, target = graph.edges[layer.input], graph.edges[layer.output]
    rng = np.random.default_rng(1)
    found = []
    for zeros in (0.0, 0.3, 0.5, 0.7, 0.9):
        weights = rng.choice([-1, 1], layer.weights.shape)
        weights[rng.random(weights.shape) < zeros] = 0
        options = costs.options(replace(layer, weights=weights), source, target)
        found.append({option.fold.pe * option.fold.simd: option.lut for option in options})
    whole = [luts.pop(24 * 16) for luts in found]
    assert whole == sorted(whole, reverse=True)
    assert whole[-1] < whole[0] / 3
    assert all(luts == found[0] for luts in found)
