"""GTSRB's layout: training images in folders, flat test images with a CSV file of their classes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import imagefolder
from pipeline.data.arrays import DataSet
from pipeline.data.imagefolder import fingerprint
from pipeline.errors import PipelineError
from specs.data import DataSpec, Resize

CLASSES = [2, 0, 1, 0, 2, 1, 1]
"""The class of each test image; the pixels of an image are ten times its class."""
SIZE = Resize(height=8, width=8, method="bilinear")


def sign(number: int, width: int) -> Image.Image:
    pixels = np.full((15 + width, 10 + width, 3), 10 * number, np.uint8)
    return Image.fromarray(pixels)


def images(root: Path, train: str, test: str, digits: int, ending: str) -> None:
    for number in range(3):
        folder = root / train / f"{number:0{digits}}"
        folder.mkdir(parents=True)
        for turn in range(2):
            sign(number, turn).save(folder / f"00000_{turn:05}.{ending}")
    (root / test).mkdir(parents=True)
    for index, number in enumerate(CLASSES):
        sign(number, index).save(root / test / f"{index:05}.{ending}")


def official(root: Path) -> Path:
    """As the files of benchmark.ini.rub.de unpack."""
    images(root, "GTSRB/Final_Training/Images", "GTSRB/Final_Test/Images", 5, "ppm")
    for number in range(3):
        folder = root / f"GTSRB/Final_Training/Images/{number:05}"
        header = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
        (folder / f"GT-{number:05}.csv").write_text(f"{header}00000_00000.ppm;9;9;1;1;8;8;{number}")
    header = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2"
    rows = [f"{index:05}.ppm;53;54;6;5;48;49" for index in range(len(CLASSES))]
    without = root / "GTSRB/Final_Test/Images/GT-final_test.test.csv"
    without.write_text("\r\n".join([header, *rows]))
    rows = [f"{row};{number}" for row, number in zip(rows, CLASSES, strict=True)]
    (root / "GT-final_test.csv").write_text("\r\n".join([f"{header};ClassId", *rows, ""]))
    return root


def kaggle(root: Path) -> Path:
    """As the archive at Kaggle: three lists above the folders, with paths."""
    images(root, "Train", "Test", 1, "png")
    (root / "Meta").mkdir()
    header = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path\n"
    lines = [f"53,54,6,5,48,49,{n},Test/{i:05}.png\n" for i, n in enumerate(CLASSES)]
    (root / "Test.csv").write_text(header + "".join(lines))
    lines = [f"27,26,5,5,22,20,{n},Train/{n}/00000_00000.png\n" for n in range(3)]
    (root / "Train.csv").write_text(header + "".join(lines))
    (root / "Meta.csv").write_text("Path,ClassId,ShapeId\nMeta/0.png,0,0\n")
    return root


def load(root: Path) -> DataSet:
    return imagefolder.load({"data_root": str(root)}, DataSpec(), SIZE)


def refusal(root: Path) -> str:
    with pytest.raises(PipelineError) as caught:
        load(root)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(("layout", "below"), [(official, ""), (official, "GTSRB"), (kaggle, "")])
def test_each_test_image_has_the_class_of_its_line(
    tmp_path: Path, layout: Callable[[Path], Path], below: str
) -> None:
    layout(tmp_path)
    if below:
        (tmp_path / "GT-final_test.csv").rename(tmp_path / below / "GT-final_test.csv")
    data = load(tmp_path / below)
    assert data.train_images.shape == (6, 8, 8, 3)
    assert data.test_images.shape == (7, 8, 8, 3)
    assert np.bincount(data.test_labels).tolist() == np.bincount(CLASSES).tolist()
    for part, labels in (
        (data.train_images, data.train_labels),
        (data.test_images, data.test_labels),
    ):
        assert (part == 10 * labels[:, None, None, None]).all()


def test_the_list_is_part_of_what_the_folder_is_known_by(tmp_path: Path) -> None:
    root = kaggle(tmp_path)
    known = [fingerprint(root)]
    (root / "Test.csv").write_text((root / "Test.csv").read_text() + "\n")
    known.append(fingerprint(root))
    sign(1, 3).save(root / "Test/00007.png")
    known.append(fingerprint(root))
    assert len(set(known)) == 3
    (root / "readme.txt").write_text("x")
    assert fingerprint(root) == known[-1]


def test_without_a_list_the_lists_that_are_there_are_told(tmp_path: Path) -> None:
    root = official(tmp_path)
    (root / "GT-final_test.csv").unlink()
    told = refusal(root)
    assert told.startswith(f"{root}/GTSRB/Final_Test/Images: has images but no folders of classes.")
    assert "a first line that names the columns: Filename (or Path) and ClassId; " in told
    assert told.endswith("GT-final_test.test.csv: has no column classid or class or label")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (",2,Test/00000.png", ",9,Test/00000.png", "Test.csv, line 2: class '9': no folder of"),
        (",2,Test/00000.png", ",,Test/00000.png", "Test.csv, line 2: class '': no folder of"),
        ("Test/00001", "Test/00000", "Test.csv, line 3: 00000.png is named a second time"),
        ("Test/00001", "Test/10000", "names images that are not there: 10000.png; add them to"),
        ("Test/00001", "Train/00001", "1 of 7 images have no line: 00001.png; add lines"),
        ("Test/00001", "/etc/Test/../x/00001", "1 of 7 images have no line: 00001.png"),
        (
            ",0,Test/00001.png",
            ",0,5,Test/00001.png",
            "line 3: 9 values, and the first line names 8",
        ),
        ("Test/00001", '"Test/00001', "no CSV: "),
        ("Path", "Place", "Test.csv: has no column filename or path or file or image"),
        ("Width", "\udcff", "Test.csv: no text in UTF-8"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    root = kaggle(tmp_path)
    text = (root / "Test.csv").read_text().replace(old, new)
    (root / "Test.csv").write_bytes(text.encode(errors="surrogateescape"))
    assert told in refusal(root)


def test_two_lists_a_class_without_image_and_a_pipe(tmp_path: Path) -> None:
    root = kaggle(tmp_path)
    text = (root / "Test.csv").read_text()
    (root / "Labels.csv").write_text(text)
    assert "Test: Labels.csv and Test.csv both name its images; keep one" in refusal(root)
    (root / "Test/nearer.csv").write_text(text)
    assert load(root).test_labels.size == 7, "the list beside the images counts"
    (root / "Test/nearer.csv").unlink()
    (root / "Labels.csv").unlink()
    (root / "Test.csv").write_text(text.replace(",0,Test", ",1,Test"))
    assert "no images in Test/0; its list of classes names none" in refusal(root)


def test_numbers_need_not_be_written_as_the_folders_are(tmp_path: Path) -> None:
    root = official(tmp_path)
    path = root / "GT-final_test.csv"
    path.write_text(path.read_text().replace(";0\n", ";00000\n").replace("\n", "\r\n"))
    assert np.bincount(load(root).test_labels).tolist() == [2, 3, 2]
    (root / "GTSRB/Final_Training/Images/00000").rename(root / "GTSRB/Final_Training/Images/zero")
    assert "class '00000': no folder of the training images has this name" in refusal(root)
