from pathlib import Path

import numpy as np
import pytest

from pipeline.data import FILE, DataSet, run
from pipeline.data.sets import FOLDERS, load
from pipeline.errors import PipelineError, SpecError
from pipeline.flow import variables
from pipeline.flow.selection import selection
from pipeline.job import Job
from specs.data import DataSpec


def test_digits_are_those_that_scikit_learn_loads() -> None:
    from sklearn.datasets import load_digits

    data, theirs = load("digits", {}, DataSpec()), load_digits()
    ours = np.concatenate([data.train_images, data.test_images]).reshape(-1, 64)
    labels = np.concatenate([data.train_labels, data.test_labels])
    wanted = (theirs.data.astype(np.int64) * 255 + 8) // 16
    assert {(*x, y) for x, y in zip(ours.tolist(), labels.tolist(), strict=True)} == {
        (*x, y) for x, y in zip(wanted.tolist(), theirs.target.tolist(), strict=True)
    }
    assert len(ours) == len(wanted)


def test_digits_are_split_by_class_without_loss() -> None:
    data = load("digits", {}, DataSpec())
    assert data.train_images.shape == (1437, 8, 8, 1)
    assert data.test_images.shape == (360, 8, 8, 1)
    assert data.classes == 10
    share = np.bincount(data.test_labels) / np.bincount(
        np.concatenate([data.train_labels, data.test_labels])
    )
    assert (abs(share - 0.2) < 0.01).all()
    # the same on every machine and with every version of numpy
    assert data.test_labels[:12].tolist() == [0, 8, 4, 9, 1, 4, 5, 4, 7, 2, 8, 0]
    images = np.concatenate([data.train_images, data.test_images]).reshape(1797, -1)
    assert len(np.unique(images, axis=0)) == 1797  # no image stands on both sides


def test_the_first_test_digits_show_many_classes() -> None:
    # simulation takes the first test images, and needs several classes among them
    assert len(np.unique(load("digits", {}, DataSpec()).test_labels[:64])) == 10


@pytest.mark.parametrize("side", ["train", "test"])
def test_the_first_images_of_sorted_data_are_refused_if_a_class_is_missing(
    tmp_path: Path, side: str
) -> None:
    labels = np.repeat([0, 1, 2], [7, 3, 2])
    images = np.zeros((12, 5), np.uint8)
    arrays = {"train_inputs": images, "test_inputs": images}
    np.savez(tmp_path / "data.npz", **arrays, train_labels=labels, test_labels=labels)  # type: ignore[arg-type]
    settings = {"data_root": str(tmp_path)}
    with pytest.raises(PipelineError) as caught:
        load("arrays", settings, DataSpec.model_validate({f"{side}_images": 7}))
    assert str(caught.value) == (
        f"{side}_images = 7: the first 7 of 12 have no image of the classes 1, 2; take at least "
        "11, or shuffle the images if they are sorted by class"
    )
    data = load("arrays", settings, DataSpec.model_validate({f"{side}_images": 11}))
    assert len(getattr(data, f"{side}_labels")) == 11
    assert data.note.endswith("test images")


def test_digits_fill_the_range_of_uint8() -> None:
    images = load("digits", {}, DataSpec()).train_images
    assert sorted(np.unique(images)) == [(v * 255 + 8) // 16 for v in range(17)]


def test_an_unknown_data_set_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SpecError, match=r"dataset = 'minst': unknown; did you mean 'mnist'\?"):
        load("minst", {}, DataSpec())


def test_the_stage_writes_the_same_bytes_each_time(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        specs: dict[str, object] = {
            "dataset": "digits",
            "data_files": None,
            "data_size": None,
            "network.data": {},
        }
        metrics = run(Job("data", "digits", specs, {}, folder))
        assert [path.name for path in folder.iterdir()] == [FILE]
        written.append((folder / FILE).read_bytes())
    assert written[0] == written[1]
    assert metrics["train_images"].value == 1437
    assert metrics["test_images"].value == 360
    assert str(metrics["image"]) == "8x8x1"
    data = DataSet.read(tmp_path / "a" / FILE)
    assert (data.test_images == load("digits", {}, DataSpec()).test_images).all()


def test_the_first_images_of_a_set() -> None:
    every = load("digits", {}, DataSpec())
    part = load("digits", {}, DataSpec(train_images=100, test_images=30))
    assert (part.train_images == every.train_images[:100]).all()
    assert (part.test_labels == every.test_labels[:30]).all()
    assert "the first 100 training and 30 test images" in part.note


def test_arrays_of_other_types_are_no_data_set() -> None:
    images, labels = np.zeros((2, 3, 3, 1), np.uint8), np.zeros(2, np.int64)
    DataSet(images, labels, images, labels)
    with pytest.raises(ValueError, match=r"not uint8 or int8"):
        DataSet(images / 255, labels, images, labels)
    with pytest.raises(ValueError, match=r"not int64 \[N\]"):
        DataSet(images, labels, images, labels[:1])


@pytest.mark.parametrize("dataset", FOLDERS)
def test_the_users_own_data_without_a_folder_are_refused_at_once(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIPELINE_DATA_ROOT", raising=False)
    monkeypatch.setattr(variables, "ROOT", tmp_path)  # without this machine's local.toml
    with pytest.raises(SpecError) as caught:
        selection({"dataset": dataset})
    assert str(caught.value) == (
        f"dataset={dataset}: give the folder that holds {FOLDERS[dataset]} with data_root=FOLDER"
    )
