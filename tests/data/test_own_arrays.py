"""The user's own arrays: images or feature vectors."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.own_arrays import FILE, fingerprint, load
from pipeline.errors import PipelineError
from pipeline.flow.unit import select
from specs.data import DataSpec

RNG = np.random.default_rng(0)
VECTORS = {
    "train_inputs": RNG.integers(-128, 128, (20, 7)).astype(np.int8),
    "train_labels": RNG.integers(0, 3, 20).astype(np.uint8),
    "test_inputs": RNG.integers(-128, 128, (6, 7)).astype(np.int8),
    "test_labels": np.array([0, 1, 2, 0, 1, 2]),
}


def written(root: Path, **changes: object) -> dict[str, str]:
    np.savez(root / FILE, **{**VECTORS, **changes})  # type: ignore[arg-type]
    return {"data_root": str(root)}


def test_vectors_and_images(tmp_path: Path) -> None:
    data = load(written(tmp_path), DataSpec())
    assert (data.train_images == VECTORS["train_inputs"]).all()
    assert data.train_labels.dtype == np.int64
    assert data.classes == 3
    images = {side: np.zeros((n, 4, 5, 1), np.uint8) for side, n in
              (("train_inputs", 20), ("test_inputs", 6))}  # fmt: skip
    assert load(written(tmp_path, **images), DataSpec()).test_images.shape == (6, 4, 5, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test_labels": np.zeros(5, int)}, "6 test_inputs have 5 test_labels"),
        ({"train_labels": np.zeros(20)}, r"train_labels are float64 \[20\]"),
        ({"train_labels": np.full(20, -1)}, "train_labels are int64"),
        ({"train_inputs": np.zeros((20, 7))}, r"images: float64 \(20, 7\)"),
        ({"test_inputs": np.zeros((6, 8), np.int8)}, "differ in shape"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(PipelineError, match=words):
        load(written(tmp_path, **changes), DataSpec())


def test_files_that_are_none(tmp_path: Path) -> None:
    settings = {"data_root": str(tmp_path)}
    with pytest.raises(PipelineError, match=r"data\.npz: no such file; wanted is"):
        load(settings, DataSpec())
    np.savez(tmp_path / FILE, x=np.zeros(3))
    with pytest.raises(PipelineError, match="holds x, not train_inputs, train_labels"):
        load(settings, DataSpec())
    (tmp_path / FILE).write_text("text")
    with pytest.raises(PipelineError, match=r"no \.npz of plain arrays"):
        load(settings, DataSpec())
    np.savez(tmp_path / FILE, **{**VECTORS, "train_inputs": np.array([{}] * 20)})  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"no \.npz of plain arrays"):
        load(settings, DataSpec())


def test_other_arrays_are_another_unit_or_build_again(tmp_path: Path) -> None:
    toml = tmp_path / "net.toml"
    toml.write_text(
        'name = "net"\ndataset = "arrays"\n[input]\nshape = [7]\ndtype = "INT8"\nscale = "1/128"\n'
        "[model]\nhidden = [8]\nclasses = 3\nweight_bits = 2\nactivation_bits = 2\n"
        "input_bits = 4\n[training]\nepochs = 1\n"
    )
    settings = written(tmp_path)
    (unit,) = select({"network": str(toml), **settings})
    assert unit.at("dataset").name.startswith("arrays-")
    assert unit.at("dataset").name in unit.at("network").name
    before = unit.at("dataset").data_files
    written(tmp_path, test_labels=np.zeros(6, int), more=np.zeros(9))
    assert fingerprint(tmp_path) != before
