"""A folder of the user's own images: what is read from it, what is refused, what rebuilds it."""

import io
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.data import SKIPPED, DataSet, imagefolder, run
from pipeline.data.imagefolder import fingerprint
from pipeline.data.prepare import prepare
from pipeline.errors import PipelineError
from pipeline.job import Job
from specs.data import DataSpec, Resize
from specs.input import InputSpec
from tests.flow.bench import Bench

FILES = (
    *("train/cat/a.png", "train/cat/b.png", "train/cat/c.png"),
    *("train/dog/a.png", "train/dog/b.png", "test/cat/d.png", "test/dog/d.png"),
)
"""In the order of their names; pixel (0, 0) of each is its number in this list."""


def picture(number: int, mode: str = "L", size: tuple[int, int] = (6, 5)) -> Image.Image:
    """5 rows and 6 columns unless told."""
    pixels = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size[1], size[0]) + number
    return Image.fromarray(pixels).convert(mode)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Seven greyscale images of two classes."""
    for number, name in enumerate(FILES):
        path = tmp_path / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
    return tmp_path / "pets"


REFUSE, SKIP = DataSpec(), DataSpec(broken="skip")
WAY_OUT = 'repair or remove them, or leave them out with broken = "skip" in the network\'s [data]'


def load(root: Path, spec: DataSpec = REFUSE, size: Resize | None = None) -> DataSet:
    return imagefolder.load({"data_root": str(root)}, spec, size)


def refusal(root: Path) -> str:
    with pytest.raises(PipelineError) as caught:
        load(root)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def broken(root: Path) -> str:
    """The line that tells of the one broken file."""
    with pytest.raises(PipelineError) as caught:
        load(root)
    first, line, last = str(caught.value).splitlines()
    assert (first, last) == ("broken image files: 1", WAY_OUT)
    return line


def test_greyscale_images_are_read_class_in_turn(root: Path) -> None:
    data = load(root)
    assert data.train_images.shape == (5, 5, 6, 1)
    assert data.test_images.shape == (2, 5, 6, 1)
    assert data.train_labels.tolist() == [0, 1, 0, 1, 0]
    assert data.test_labels.tolist() == [0, 1]
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 3, 1, 4, 2]
    assert data.test_images[:, 0, 0, 0].tolist() == [5, 6]
    assert (data.train_images[0, :, :, 0] == np.arange(30).reshape(5, 6)).all()
    assert data.note == "classes in order: cat, dog"


def test_the_order_is_that_of_the_names_not_of_the_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, listed = load(root), fingerprint(root)
    original = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: sorted(original(path), reverse=True))
    assert (load(root).train_images == first.train_images).all()
    assert fingerprint(root) == listed


def test_one_coloured_image_makes_all_of_them_rgb(root: Path) -> None:
    colours = np.arange(90, dtype=np.uint8).reshape(5, 6, 3)
    Image.fromarray(colours).save(root / "test/dog/d.png")
    data = load(root)
    assert data.train_images.shape == (5, 5, 6, 3)
    assert (data.train_images == data.train_images[..., :1]).all()
    assert (data.test_images[1] == colours).all()


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *(("e.bmp", "L"), ("e.tif", "L"), ("e.PGM", "L"), ("e.png", "LA"), ("e.gif", "L")),
        *(("e.bmp", "RGB"), ("e.png", "RGBA"), ("e.TIFF", "CMYK"), ("e.ppm", "RGB")),
    ],
)
def test_every_kind_of_file_that_loses_nothing(root: Path, name: str, mode: str) -> None:
    (root / "test/cat/d.png").unlink()
    picture(5, mode).save(root / "test/cat" / name)
    data = load(root)
    assert data.test_images.shape[3] == (1 if mode in ("L", "LA") else 3)
    assert (data.test_images[0] == np.asarray(picture(5))[..., None]).all()


def test_jpeg_one_bit_and_the_palette(root: Path) -> None:
    picture(5, "RGB").save(root / "test/cat/d.jpeg", quality=100)
    picture(0).point(lambda value: 255 * (value > 9)).convert("1").save(root / "test/cat/d.png")
    palette = Image.new("P", (6, 5), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.save(root / "test/dog/d.png")
    data = load(root)
    jpeg, dog, one_bit = data.test_images
    assert np.abs(jpeg.astype(int) - np.asarray(picture(5))[..., None]).max() <= 3
    assert (one_bit == 255 * (np.arange(30).reshape(5, 6, 1) > 9)).all()
    assert (dog == [200, 100, 50]).all()


def test_a_photo_stands_as_its_camera_says(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture(5, size=(5, 6)).save(root / "test/cat/d.png", exif=exif)
    turned = np.rot90(np.asarray(picture(5, size=(5, 6))), -1)
    assert (load(root).test_images[0, :, :, 0] == turned).all()


def test_what_is_no_image_is_ignored_and_counted(root: Path) -> None:
    (root / "train/.hidden").mkdir()
    (root / "train/readme.txt").write_text("labels")
    (root / "train/cat/.DS_Store").write_text("x")
    assert load(root).note == "classes in order: cat, dog"
    (root / "train/cat/labels.txt").write_text("cat")
    (root / "test/dog/more.png").mkdir()
    assert load(root).note == (
        "classes in order: cat, dog; not images, ignored: 2 files or folders"
    )


def test_images_of_two_sizes_are_told_by_name(root: Path) -> None:
    picture(0, size=(7, 5)).save(root / "train/dog/b.png")
    picture(0, size=(8, 5)).save(root / "test/dog/d.png")
    assert refusal(root) == (
        f"{root}/train/cat/a.png is 5x6 and {root}/train/dog/b.png is 5x7 (height x width); "
        "all images must have one size: scale or crop them to it first, or have them resized, with "
        'input.resize = "bilinear" or "nearest" and an input.shape of height, width and channels'
    )


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_images_of_any_size_are_resized_as_on_the_board(root: Path, method: Any) -> None:
    wide = picture(3, size=(17, 5))
    wide.save(root / "train/dog/a.png")
    picture(5, "RGB", size=(8, 9)).save(root / "test/cat/d.png")
    data = load(root, size=Resize(height=7, width=4, method=method))
    assert data.train_images.shape == (5, 7, 4, 3)
    contract = InputSpec(shape=(7, 4, 1), resize=method)
    for number, image in ((0, picture(0)), (1, wide)):
        wanted = prepare(np.asarray(image)[None, ..., None], contract)[0]
        assert (data.train_images[number] == wanted).all()
    assert (data.test_images == data.test_images[..., :1]).all()
    assert data.note == f"classes in order: cat, dog; resized to 7x4 ({method}): 7 images"
    same = load(root, size=Resize(height=5, width=6, method=method))
    assert same.note.endswith("resized to 5x6 (" + method + "): 2 images")
    assert (same.train_images[0, :, :, 0] == np.asarray(picture(0))).all()


def test_large_images_are_made_small_one_by_one(root: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (3000, 4000), dtype=np.uint8)
    Image.fromarray(noise).save(root / "train/dog/b.bmp")
    tracemalloc.start()
    try:
        load(root, size=Resize(height=8, width=8, method="bilinear"))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 60 << 20, "seven images of this size, of three channels, take 240 MB"


def test_folders_that_are_not_as_wanted(root: Path) -> None:
    wanted = (
        "wanted are train/<class>/ and test/<class>/ with an image a file; or all test images in "
        "test/, with a CSV file that names their classes, as GTSRB has it"
    )
    with pytest.raises(PipelineError, match=r"^dataset=imagefolder: give .* data_root=; wanted"):
        imagefolder.load({}, DataSpec())
    assert refusal(root / "train") == (
        f"data_root = {root}/train: no train/ and no test/ in it; {wanted}"
    )
    (root / "test").rename(root / "tst")
    assert refusal(root) == f"data_root = {root}: no test/ in it; {wanted}"
    (root / "test").mkdir()
    assert refusal(root) == f"{root}: no folder of a class in test/; {wanted}"
    (root / "test").rmdir()
    (root / "tst").rename(root / "test")
    (root / "train/dog").rename(root / "train/owl")
    assert refusal(root) == (
        f"{root}: train/ and test/ differ in their classes: train/owl, test/dog stands alone"
    )


def test_empty_classes_and_a_class_alone(root: Path) -> None:
    (root / "test/cat/d.png").unlink()
    (root / "test/dog/d.png").rename(root / "test/dog/d.jp2")
    assert refusal(root).startswith(f"{root}: no images in test/cat, test/dog; an image ends with")
    for split in ("train", "test"):
        for path in (root / split / "dog").iterdir():
            path.unlink()
        (root / split / "dog").rmdir()
    assert refusal(root) == f"{root}: one class alone, cat; at least two are needed"


def bomb(path: Path) -> None:
    """Small, and says that it unpacks to 40,000 million pixels."""
    path.write_bytes(b"P5 200000 200000 255\n" + bytes(10))


def postscript() -> bytes:
    """A program, which Pillow would have Ghostscript run."""
    file = io.BytesIO()
    picture(5).save(file, "EPS")
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\ncut", postscript()])
def test_a_file_that_is_no_image_is_named(root: Path, content: bytes) -> None:
    path = root / "test/dog/d.png"
    path.write_bytes(content)
    assert broken(root).startswith(f"{path}: no image, or damaged; read are BMP, GIF, JPEG, PNG")


@pytest.mark.parametrize("name", ["d.png", "d.jpg", "d.bmp", "d.tif", "d.gif", "d.ppm"])
def test_a_damaged_file_is_named(root: Path, name: str) -> None:
    (root / "test/dog/d.png").unlink()
    path = root / "test/dog" / name
    noise = np.random.default_rng(1).integers(0, 256, (40, 60), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    for cut in (len(whole) // 2, len(whole) - 500):
        path.write_bytes(whole[:cut])
        assert broken(root).startswith(f"{path}: ")


def test_files_that_cannot_be_taken_as_they_are(root: Path) -> None:
    path = root / "test/dog/d.png"
    Image.fromarray(np.zeros((5, 6), np.uint16)).save(path)
    assert broken(root).startswith(f"{path}: its pixels are of Pillow's mode I;16; save it with 8")
    bomb(path)
    assert broken(root).startswith(f"{path}: too many pixels; at most 33,554,432 are decoded")
    path.unlink()
    path.symlink_to(root / "nowhere.png")
    assert broken(root) == f"{path}: cannot be read: No such file or directory"


def test_all_broken_files_are_told_at_once(root: Path) -> None:
    for number in range(21):
        (root / f"train/cat/x{number:02}.png").write_bytes(b"no image")
    (root / "test/dog/d.png").write_bytes(b"")
    with pytest.raises(PipelineError) as caught:
        load(root)
    lines = str(caught.value).splitlines()
    assert lines[0] == "broken image files: 22"
    assert len({line.split(": ")[0] for line in lines[1:21]}) == 20
    assert lines[21:] == ["... and 2 more", WAY_OUT]


def test_broken_files_are_skipped_if_the_spec_says_so(root: Path, tmp_path: Path) -> None:
    whole = load(root, SKIP)
    (root / "train/cat/b.png").write_bytes(b"no image")
    data = load(root, SKIP)
    assert data.train_labels.tolist() == [0, 1, 1, 0]
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 3, 4, 2]
    assert (data.test_images == whole.test_images).all()
    assert data.note == "classes in order: cat, dog; broken, skipped: 1 files"
    task = job(root, tmp_path / "data", fingerprint(root), SKIP)
    metrics = run(task)
    assert str(metrics["content"]) == data.note
    assert (task.folder / SKIPPED).read_text().splitlines() == [
        "file,reason",
        'train/cat/b.png,"no image, or damaged; read are BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"',
    ]
    (root / "test/cat/d.png").write_bytes(b"no image")
    with pytest.raises(PipelineError, match=r"pets: no images in test/cat; an image ends with"):
        load(root, SKIP)
    for path in root.glob("*/*/*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(PipelineError, match=r"^broken image files: 7"):
        load(root, SKIP)


def test_what_a_folder_is_known_by(root: Path) -> None:
    known = [fingerprint(root)]
    picture(1).save(root / "train/cat/z.png")
    known.append(fingerprint(root))
    (root / "train/cat/z.png").rename(root / "train/dog/z.png")
    known.append(fingerprint(root))
    time = (root / "train/cat/a.png").stat().st_mtime_ns
    os.utime(root / "train/cat/a.png", ns=(time, time + 1))
    known.append(fingerprint(root))
    os.utime(root / "train/cat/a.png", ns=(time, time))
    assert fingerprint(root) == known[2]
    with (root / "train/cat/a.png").open("ab") as file:
        file.write(b"\n")
    os.utime(root / "train/cat/a.png", ns=(time, time))
    known.append(fingerprint(root))
    (root / "test/owl").mkdir()
    known.append(fingerprint(root))
    assert len(set(known)) == 6
    (root / "train/cat/.DS_Store").write_text("x")
    assert fingerprint(root) == known[-1]
    assert fingerprint(root / "train") == fingerprint(root / "test"), "nothing in either"


def job(root: Path, folder: Path, files: str, spec: DataSpec = REFUSE) -> Job:
    folder.mkdir(exist_ok=True)
    specs = {
        "dataset": "imagefolder",
        "data_files": files,
        "data_size": None,
        "network.data": spec.model_dump(),
    }
    return Job("data", "imagefolder", specs, {}, folder, {"data_root": str(root)})


def test_the_stage_refuses_files_that_changed_since_it_was_called(
    root: Path, tmp_path: Path
) -> None:
    called = fingerprint(root)
    metrics = run(job(root, tmp_path / "data", called))
    assert metrics["classes"].value == 2
    assert str(metrics["image"]) == "5x6x1"
    picture(9).save(root / "train/cat/z.png")
    with pytest.raises(PipelineError, match=r"pets: its files changed meanwhile; run it again$"):
        run(job(root, tmp_path / "data", called))


def test_a_changed_file_builds_the_data_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, ("data",))
    monkeypatch.setenv("FAKE_COUNTER", str(bench.counter))
    given = {"dataset": "imagefolder", "data_root": str(root)}
    assert bench.build(**given) == ["data"]
    assert bench.build(**given) == []
    picture(9).save(root / "train/cat/a.png")
    assert bench.build(**given) == ["data"]
    assert bench.build(**given) == []
    assert bench.build(dataset="digits") == ["data"]
    picture(8).save(root / "train/cat/a.png")
    assert bench.build(dataset="digits") == [], "another data set does not read it"
