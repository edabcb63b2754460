"""Masked faces: which files stand for which class, the draw, the split, the changed copies."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import SKIPPED, DataSet, maskedface, run
from pipeline.data.copies import CONTRAST, changed
from pipeline.data.maskedface import CLASSES, fingerprint
from pipeline.errors import PipelineError, SpecError
from pipeline.flow.selection import selection
from pipeline.job import Job
from specs.base import validate
from specs.data import DataSpec
from specs.network import NetworkSpec
from tests.flow.bench import Bench

SIZES = (9, 6, 7, 8)
"""Files of each class; the smallest has six."""
SMALL = DataSpec(train_images=40, test_images=8)
ENDS = ("Mask", "Mask_Mouth_Chin", "Mask_Nose_Mouth", "Mask_Chin")


def face(label: int, number: int) -> Image.Image:
    """48x48 of one colour, which tells class and number."""
    return Image.new("RGB", (48, 48), (60 * label + 20, 20 * number + 10, 128))


def seen(data: np.ndarray, turn: slice) -> list[tuple[int, int]]:
    """Class and number of images [N, 32, 32, 3] that are not changed."""
    pixels = data[turn, 16, 16].astype(int)
    assert (data[turn] == data[turn, 16:17, 16:17]).all()
    return [((red - 20) // 60, (green - 10) // 20) for red, green, _ in pixels.tolist()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The four folders, their files in folders of their own, as PNG."""
    for label, name in enumerate(CLASSES):
        for number in range(SIZES[label]):
            path = tmp_path / "faces" / name / f"0{number % 2}000" / f"0000{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            face(label, number).save(path)
    return tmp_path / "faces"


def load(root: Path, spec: DataSpec = SMALL) -> DataSet:
    return maskedface.load({"data_root": str(root)}, spec)


def refusal(root: Path, spec: DataSpec = SMALL) -> str:
    with pytest.raises(PipelineError) as caught:
        load(root, spec)
    return str(caught.value)


def test_as_many_of_each_class_and_no_original_on_both_sides(root: Path) -> None:
    data = load(root)
    assert data.train_images.shape == (40, 32, 32, 3)
    assert data.test_images.shape == (8, 32, 32, 3)
    assert data.train_labels.tolist() == [0, 1, 2, 3] * 10
    assert data.test_labels.tolist() == [0, 1, 2, 3] * 2
    # of 6 of each class 1 is for the test: 8 of 48
    train, test = seen(data.train_images, slice(20)), seen(data.test_images, slice(4))
    assert [label for label, _ in train + test] == [0, 1, 2, 3] * 6
    assert len(set(train + test)) == 24
    assert data.note == (
        "classes in order: CMFD, IMFD1, IMFD2, IMFD3; 6 files of each: 5 in the training and 1 in "
        "the test set, filled up with changed copies"
    )


def test_copies_are_of_the_same_side(root: Path) -> None:
    # blue is 128 in all originals, so contrast leaves it, and light moves all three alike
    data = load(root)
    for images in (data.train_images, data.test_images):
        originals = 20 if len(images) == 40 else 4
        copies = images[originals:, 16, 16].astype(int)
        light = copies[:, 2] - 128
        for copy, source in enumerate(images[np.arange(originals, len(images)) % originals]):
            moved = copies[copy] - 128 - light[copy]
            gain = moved[:2] / (source[16, 16, :2].astype(int) - 128)
            assert (np.abs(gain - np.mean(CONTRAST) / 256) < 0.25).all()
        assert len(np.unique(copies, axis=0)) > 0.9 * len(copies)


def test_the_draw_is_the_seeds(root: Path) -> None:
    first = load(root)
    assert (load(root).train_images == first.train_images).all()
    other = load(root, DataSpec(train_images=40, test_images=8, seed=2))
    assert seen(other.train_images, slice(20)) != seen(first.train_images, slice(20))
    counts: Counter[tuple[int, int]] = Counter()
    for seed in range(20):
        data = load(root, SMALL.model_copy(update={"seed": seed}))
        counts.update(seen(data.train_images, slice(20)) + seen(data.test_images, slice(4)))
    assert all(counts[1, number] == 20 for number in range(6)), "the smallest class is taken whole"
    assert all(6 < counts[0, number] < 20 for number in range(9)), "others by chance"


def test_fewer_images_than_files_are_originals(root: Path) -> None:
    data = load(root, DataSpec(images_per_class=4, train_images=10, test_images=4))
    assert data.train_labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert len(set(seen(data.train_images, slice(10)) + seen(data.test_images, slice(4)))) == 14
    assert "4 files of each: 3 in the training and 1 in the test set" in data.note
    assert refusal(root, DataSpec(images_per_class=7)) == (
        f"{root}: too few images in a class: CMFD 9, IMFD1 6, IMFD2 7, IMFD3 8; "
        "data.images_per_class = 7"
    )


def test_the_published_folders_are_told_apart_by_their_names(root: Path) -> None:
    expected = load(root)
    for label, name in enumerate(CLASSES):
        for path in sorted((root / name).rglob("*.png")):
            below = path.relative_to(root / name)
            there = root / ("IMFD" if label else "CMFD") / below
            there.parent.mkdir(parents=True, exist_ok=True)
            path.rename(there.with_name(f"{path.stem}_{ENDS[label]}.png"))
    for name in CLASSES[1:]:
        for folder in [*(root / name).iterdir(), root / name]:
            folder.rmdir()
    (root / "IMFD/00000/readme.txt").write_text("x")
    (root / "IMFD/00000/00000.png").write_bytes(b"not of this data set, by its name")
    data = load(root)
    assert (data.train_images == expected.train_images).all()
    assert data.note == expected.note + "; not images, ignored: 2 files"


def test_a_photograph_is_scaled_to_its_central_square(root: Path) -> None:
    for path in (root / "CMFD").rglob("*.png"):
        path.unlink()
        wide = Image.new("RGB", (1200, 800), (255, 0, 0))
        wide.paste((0, 0, 255), (200, 0, 1000, 800))
        wide.paste((0, 200, 0), (600, 0, 1000, 800))
        wide.save(path.with_suffix(".jpg"), quality=95)
    image = load(root).train_images[0].astype(int)
    assert np.abs(image[:, 1:15] - [0, 0, 255]).max() < 12
    assert np.abs(image[:, 17:31] - [0, 200, 0]).max() < 12


def test_folders_that_are_not_as_wanted(root: Path) -> None:
    with pytest.raises(PipelineError, match=r"^dataset=maskedface: give its folder with data_root"):
        maskedface.load({}, SMALL)
    assert refusal(root / "CMFD").endswith("there is none of them")
    (root / "IMFD").mkdir()
    assert refusal(root) == (
        f"data_root = {root}: wanted are the folders {maskedface.LAYOUT}; "
        "there are CMFD and IMFD1 and IMFD2 and IMFD3 and IMFD"
    )
    (root / "IMFD").rmdir()
    (root / "IMFD2").rename(root / "IMFD4")
    assert refusal(root).endswith("there are CMFD and IMFD1 and IMFD3")
    (root / "IMFD2").mkdir()
    assert refusal(root) == (
        f"{root}: too few images in a class: CMFD 9, IMFD1 6, IMFD2 0, IMFD3 8; 2 are needed"
    )


def test_all_broken_files_of_the_draw_are_told(root: Path) -> None:
    paths = sorted((root / "IMFD1").rglob("*.png"))
    for path in paths[:3]:
        path.write_bytes(path.read_bytes()[:60])
    Image.fromarray(np.zeros((5, 6), np.uint16)).save(paths[3])
    lines = refusal(root).splitlines()
    assert lines[0] == "broken image files: 4"
    assert sorted(line.split(": ")[0] for line in lines[1:5]) == [str(path) for path in paths[:4]]
    assert any("Pillow's mode I;16" in line for line in lines)
    assert lines[5].endswith('leave them out with broken = "skip" in the network\'s [data]')


def test_others_take_the_places_of_skipped_files(root: Path, tmp_path: Path) -> None:
    skip = SMALL.model_copy(update={"broken": "skip"})
    for path in sorted((root / "CMFD").rglob("*.png"))[:3]:
        path.write_bytes(b"no image")
    data = load(root, skip)
    assert "; 6 files of each:" in data.note, "six of nine are left, and no class has more"
    for path in sorted((root / "IMFD1").rglob("*.png"))[:2]:
        path.write_bytes(b"no image")
    folder = tmp_path / "data"
    folder.mkdir()
    specs = {
        "dataset": "maskedface",
        "data_files": fingerprint(root),
        "data_size": None,
        "network.data": skip,
    }
    metrics = run(Job("data", "faces", specs, {}, folder, {"data_root": str(root)}))
    note = str(metrics["content"])
    assert "; 4 files of each:" in note
    skipped = (folder / SKIPPED).read_text().splitlines()
    assert f"; broken, skipped: {len(skipped) - 1} files" in note
    assert {"IMFD1/00000/00000.png", "IMFD1/00000/00002.png"} <= {
        line.split(",")[0] for line in skipped
    }
    wanted = skip.model_copy(update={"images_per_class": 5})
    assert refusal(root, wanted).endswith(
        "CMFD 5, IMFD1 4, IMFD2 5, IMFD3 5; data.images_per_class = 5"
    )


def test_what_the_folder_is_known_by(root: Path) -> None:
    known = [fingerprint(root)]
    path = root / "IMFD3/00000/00000.png"
    path.rename(path.with_name("00009.png"))
    known.append(fingerprint(root))
    os.utime(path.with_name("00009.png"), ns=(1, 1))
    known.append(fingerprint(root))
    assert len(set(known)) == 3
    (root / "IMFD3/.DS_Store").write_text("x")
    (root / "readme.txt").write_text("x")
    assert fingerprint(root) == known[-1]


def network(tmp_path: Path, data: str) -> str:
    text = (Path(__file__).parents[2] / "specs/networks/mask_1w1a.toml").read_text()
    path = tmp_path / f"{hashlib.sha256(data.encode()).hexdigest()[:4]}.toml"
    path.write_text(f"{text}\n[data]\n{data}\n")
    return str(path)


def test_other_data_of_the_same_files_are_another_unit(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, ("data",))
    monkeypatch.setenv("FAKE_COUNTER", str(bench.counter))
    small, other = (network(tmp_path, f"train_images = {count}") for count in (40, 80))
    given = {"data_root": str(root)}
    assert bench.build(network="mask_1w1a", **given) == ["data"]
    assert bench.build(network="mask_1w1a_w050", **given) == [], "the same data for all widths"
    assert bench.build(network=small, **given) == ["data"]
    assert bench.build(network=other, **given) == ["data"]
    assert bench.build(network=small, **given) == []
    assert bench.build(network="mask_1w1a", **given) == []
    (unit,) = selection({"network": small, **given}).units
    assert unit.at("dataset").name.startswith("maskedface-faces-")
    assert unit.at("dataset").name.endswith(".train_images-40")
    assert unit.at("dataset").name in unit.long_name
    face(0, 0).save(root / "CMFD/00000/00010.png")
    assert bench.build(network=small, **given) == ["data"]


@pytest.mark.parametrize(
    ("dataset", "data", "line"),
    [
        ("mnist", {"broken": "skip"}, "data.broken = 'skip': dataset = 'mnist' does not use this "
                                      "field; it belongs to imagefolder and maskedface"),
        ("imagefolder", {"seed": 3}, "data.seed = 3: dataset = 'imagefolder' does not use this "
                                     "field; it belongs to maskedface"),
        ("maskedface", {"broken": "ignore"}, "data.broken = 'ignore': input should be 'refuse' or "
                                             "'skip'"),
    ],
)  # fmt: skip
def test_a_field_without_effect_is_refused(
    dataset: str, data: dict[str, object], line: str
) -> None:
    model = {"hidden": [8], "weight_bits": 1, "activation_bits": 1, "input_bits": 1}
    document = {"name": "a", "dataset": dataset, "data": data, "model": model}
    with pytest.raises(SpecError) as caught:
        validate(NetworkSpec, {**document, "training": {"epochs": 1}}, "net.toml")
    assert str(caught.value) == f"net.toml: {line}"


class Drawn:
    """A source of random numbers that draws what it is told."""

    def __init__(self, **values: int) -> None:
        self.values = [values.get(name, 0) for name in ("mirror", "angle", "down", "gain", "light")]

    def randint(self, low: int, high: int = 0, size: tuple[int, ...] = ()) -> np.ndarray:
        return np.full(size, self.values.pop(0))


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 12, 9, 3)).astype(np.uint8)


def test_what_a_change_does(noise: np.ndarray) -> None:
    def with_(**values: int) -> np.ndarray:
        return changed(noise, Drawn(**{"gain": 256, **values}))  # type: ignore[arg-type]

    assert (with_() == noise).all()
    assert (with_(mirror=1) == noise[:, :, ::-1]).all()
    moved = with_(down=2)  # and to the right
    assert (moved[:, :-2, :-2] == noise[:, 2:, 2:]).all()
    assert (moved[:, -3:, -3:] == noise[:, -1:, -1:]).all(), "the border is repeated"
    assert (with_(light=9) == np.minimum(noise.astype(int) + 9, 255)).all()
    assert np.abs(with_(gain=128).astype(float) - (noise / 2 + 64)).max() <= 0.5
    square = noise[:, :9]
    turned = changed(square, Drawn(angle=90, gain=256))  # type: ignore[arg-type]
    assert (turned == np.rot90(square, -1, (1, 2))).all() or (
        turned == np.rot90(square, 1, (1, 2))
    ).all()


def test_changes_differ_from_image_to_image_and_are_the_seeds(noise: np.ndarray) -> None:
    many = np.repeat(noise[:1], 50, axis=0)
    first, again = (changed(many, np.random.RandomState(3)) for _ in range(2))
    assert (first == again).all()
    assert len(np.unique(first.reshape(50, -1), axis=0)) == 50
    # the same bytes on every machine
    assert hashlib.sha256(first.tobytes()).hexdigest()[:16] == "77e590d3424f3d50"
