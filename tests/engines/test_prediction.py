"""Predictions beside what was found, the factors learned from them, and the folding with these."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines import prediction
from pipeline.engines.open import ENGINE
from pipeline.engines.utilisation import Utilisation
from pipeline.errors import PipelineError
from pipeline.hardware.fold import Folding
from tests.rtl.test_stage import tfc

GRAPH = tfc()
SPACE = ENGINE.space(GRAPH, signatures=False)
FOLDING: Folding = {
    layer: options[0].fold for layer, options in zip(SPACE.layers, SPACE.options, strict=True)
}
SHELL = Utilisation(lut=1000, bram36=2)


def table(folder: Path, factor: float) -> Path:
    """A table of predictions where each layer takes `factor` times what was predicted."""
    found = {
        layer: Utilisation(round(factor * options[0].lut), 0, options[0].bram18 / 2)
        for layer, options in zip(SPACE.layers, SPACE.options, strict=True)
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / prediction.NAME
    prediction.write(path, GRAPH, FOLDING, SPACE, SHELL, {**found, "shell": SHELL})
    return path


@given(factor=st.floats(0.3, 3.5))
def test_the_factor_of_a_build_is_learned(
    factor: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = table(tmp_path_factory.mktemp("build"), factor)
    found = prediction.learn([path], "vivado.rtl", "Pynq-Z1")
    assert found.lut["mvau"] == pytest.approx(factor, rel=0.02)
    assert found.lut["shell"] == 1


def test_the_same_tables_give_the_same_file_in_any_order(tmp_path: Path) -> None:
    paths = [table(tmp_path / str(k), k) for k in (0.5, 1, 2)]
    texts = {
        prediction.learn(some, "vivado.rtl", "Pynq-Z1").text() for some in (paths, paths[::-1])
    }
    assert len(texts) == 1


def test_what_was_learned_scales_the_costs_of_later_foldings(tmp_path: Path) -> None:
    learned = prediction.learn([table(tmp_path, 2)], "vivado.rtl", "Pynq-Z1")
    (tmp_path / "costs.json").write_text(learned.text())
    read = prediction.load(tmp_path / "costs.json", "vivado.rtl")
    assert read == learned
    scaled = prediction.scaled(SPACE, GRAPH, read.lut)
    for old, new in zip(SPACE.options, scaled.options, strict=True):
        for before, after in zip(old, new, strict=True):
            assert after.fold == before.fold
            assert after.cycles == before.cycles
            assert after.lut == pytest.approx(2 * before.lut, rel=0.05, abs=1)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"lut": {"mvau": 9.0}}, "lut.mvau: Input should be less than or equal to 4"),
        ({"lut": {"mvau": float("nan")}}, "lut.mvau"),
        ({"lut": {"../x": 1.0}}, "lut"),
        ({"engine": "open"}, "learned from engine open, and this build's is vivado.rtl"),
        ({"more": 1}, "more: Extra inputs are not permitted"),
        ({"schema_version": 2}, "schema_version"),
    ],
)
def test_a_wrong_file_of_costs_is_refused(
    changed: dict[str, object], why: str, tmp_path: Path
) -> None:
    good = json.loads(prediction.learn([table(tmp_path, 2)], "vivado.rtl", "Pynq-Z1").text())
    path = tmp_path / "costs.json"
    path.write_text(json.dumps({**good, **changed}))
    with pytest.raises(PipelineError) as caught:
        prediction.load(path, "vivado.rtl")
    assert f"costs={path}" in str(caught.value)
    assert why in str(caught.value)


@pytest.mark.parametrize("text", ["", "a,b\n", ",".join(prediction.HEADER) + "\nx,mvau,lut,1\n"])
def test_a_table_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / prediction.NAME
    path.write_text(text)
    with pytest.raises(PipelineError, match=str(path)):
        prediction.learn([path], "vivado.rtl", "Pynq-Z1")
