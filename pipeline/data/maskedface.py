"""MaskedFace-Net: faces that wear a mask correctly, or wrongly in one of three ways.

All four classes get the same number of images. MaskedFace-Net has the same face in several classes,
so a face of the training set may be in the test set with its mask worn in another way. An image and
its changed copies are never in both sets. They may be on both sides of the split that training
makes of its own set to choose an epoch, so that the accuracy there is too high.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from pipeline.data.arrays import Broken, DataSet
from pipeline.data.copies import changed
from pipeline.data.image_files import (
    COLOUR,
    GREY,
    BrokenImage,
    is_image,
    opened,
    refuse,
    wrong_pixels,
)
from pipeline.errors import PipelineError
from pipeline.job import progress
from specs.data import DataSpec
from specs.paths import shown

CLASSES = ("CMFD", "IMFD1", "IMFD2", "IMFD3")
"""Worn correctly; nose uncovered; chin uncovered; nose and mouth uncovered."""
LAYOUT = "CMFD/, IMFD1/, IMFD2/ and IMFD3/, or CMFD/ and IMFD/ as MaskedFace-Net was published"
SIDE = 32
"""Rows and columns of an image."""

TRAIN_IMAGES, TEST_IMAGES = 80_000, 20_000
"""The sizes of the training and test set in the reference."""

_BOTH_WRONG = "IMFD"
_COVERED = {"_Mask_Mouth_Chin": "IMFD1", "_Mask_Nose_Mouth": "IMFD2", "_Mask_Chin": "IMFD3"}
"""Endings of file names in MaskedFace-Net's folder IMFD. They tell what the mask covers."""
_BATCH = 500
"""How many images are read between two progress lines, and are changed at a time."""
_THREADS = 8
_DEEPEST = 16
"""How deep folders may be nested in that of a class."""
_LARGE = 1 << 22
"""Images of more pixels are decoded one at a time, since each takes tens of megabytes."""
_one_large = Lock()


def load(settings: Mapping[str, Any], spec: DataSpec) -> DataSet:
    """Loads `train_images` and `test_images` of 32x32x3, in which the four classes take turns.

    From each class the same number of files is drawn at random: `images_per_class`, or as many as
    the smallest class has. Those of the test set are set aside, and only then are both sets filled
    up with changed copies. Images are cropped to their central square and scaled by averaging over
    areas. PipelineError: the folders are not as required, a class has too few images, or files
    cannot be read and the spec does not allow that.
    """
    if not settings.get("data_root"):
        raise PipelineError(f"dataset=maskedface: give its folder with data_root=; it has {LAYOUT}")
    root = Path(settings["data_root"])
    files, ignored = _files(root)
    random = np.random.RandomState(spec.seed)  # NumPy guarantees that its numbers never change
    drawn = [[part[i] for i in random.permutation(len(part))] for part in files.values()]
    wanted = spec.images_per_class or min(map(len, drawn))
    _require(root, {name: len(part) for name, part in files.items()}, spec.images_per_class)
    images, broken = _read_all(root, drawn, wanted, replace=spec.broken == "skip")
    if broken and spec.broken == "refuse":
        raise refuse(root, broken)
    read = dict(zip(CLASSES, map(len, images), strict=True))
    _require(root, read, spec.images_per_class)
    each = min(read.values())
    train_count, test_count = spec.train_images or TRAIN_IMAGES, spec.test_images or TEST_IMAGES
    share = test_count / (train_count + test_count)
    test = min(max(1, round(each * share)), each - 1)
    test_images, test_labels = _filled([part[:test] for part in images], test_count, random)
    train_images, train_labels = _filled([part[test:each] for part in images], train_count, random)
    note = (
        f"classes in order: {', '.join(CLASSES)}; {each:,} files of each: {each - test:,} in the "
        f"training and {test:,} in the test set, filled up with changed copies"
        + (f"; not images, ignored: {ignored:,} files" if ignored else "")
        + (f"; broken, skipped: {len(broken):,} files" if broken else "")
    )
    return DataSet(train_images, train_labels, test_images, test_labels, note, tuple(broken))


def fingerprint(root: Path) -> str:
    """A digest of the names, sizes and modification times of all files that `load` would read."""
    digest = hashlib.sha256()
    for folder in (*CLASSES, _BOTH_WRONG):
        for entry in _walk(root / folder):
            try:
                stat = entry.stat()
                state = [stat.st_size, stat.st_mtime_ns]
            except OSError:
                state = []  # a broken link, which `load` will report
            digest.update(os.fsencode(entry.path[len(str(root)) :]) + f"\0{state}\n".encode())
    return digest.hexdigest()


def _files(root: Path) -> tuple[dict[str, list[Path]], int]:
    """The images of each class, sorted by path, and the number of other files."""
    wrong = [name for name in CLASSES[1:] if (root / name).is_dir()]
    published = (root / _BOTH_WRONG).is_dir()
    if not (root / CLASSES[0]).is_dir() or published == bool(wrong) or 0 < len(wrong) < 3:
        there = [name for name in (*CLASSES, _BOTH_WRONG) if (root / name).is_dir()]
        raise PipelineError(
            f"data_root = {root}: wanted are the folders {LAYOUT}; "
            f"there {'are' if len(there) > 1 else 'is'} {' and '.join(there) or 'none of them'}"
        )
    found: dict[str, list[Path]] = {name: [] for name in CLASSES}
    ignored = 0
    for folder in [CLASSES[0], *(wrong or [_BOTH_WRONG])]:
        for entry in _walk(root / folder):
            path = Path(entry.path)
            name = _class_by_name(path) if folder == _BOTH_WRONG else folder
            if name is None or not is_image(path):
                ignored += 1
            else:
                found[name].append(path)
    return found, ignored


def _class_by_name(path: Path) -> str | None:
    return next((name for end, name in _COVERED.items() if path.stem.endswith(end)), None)


def _walk(folder: Path, within: tuple[Path, ...] = ()) -> Iterator[os.DirEntry[str]]:
    """All files in and below `folder` by path, without hidden ones.

    within: the folders around it, with links resolved. PipelineError: links go in a circle or lead
    out of the class's folder, or folders are nested too deep.
    """
    if not folder.is_dir():
        return
    real = folder.resolve()
    if real in within:
        raise PipelineError(f"{shown(folder)}: links in a circle: it is a folder around itself")
    if within and within[0] not in real.parents:
        raise PipelineError(
            f"{shown(folder)}: a link that leads out of {within[0]}; put the folder itself there"
        )
    if len(within) >= _DEEPEST:
        raise PipelineError(f"{shown(folder)}: folders are nested more than {_DEEPEST} deep")
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise PipelineError(f"{shown(folder)}: cannot be read: {error.strerror}") from None
    for entry in sorted(visible, key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(Path(entry.path), (*within, real))
        else:
            yield entry


def _require(root: Path, counts: Mapping[str, int], wanted: int | None) -> None:
    """Raises PipelineError if a class has fewer images than `wanted`, or too few to split."""
    if min(counts.values()) < (wanted or 2):
        having = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        need = f"data.images_per_class = {wanted:,}" if wanted else "2 are needed"
        raise PipelineError(f"{root}: too few images in a class: {having}; {need}")


def _read_all(
    root: Path, drawn: list[list[Path]], wanted: int, *, replace: bool
) -> tuple[list[np.ndarray], list[Broken]]:
    """The images of each class, uint8 [up to wanted, 32, 32, 3], and the files that cannot be read.

    They are the first of `drawn` that can be read. replace: later files of the draw take the places
    of those that cannot.
    """
    images, broken = [], []
    with ThreadPoolExecutor(_THREADS) as pool:  # Pillow releases Python's lock while it decodes
        for number, paths in enumerate(drawn):
            rest = iter(paths if replace else paths[:wanted])
            good: list[np.ndarray] = []
            while batch := list(islice(rest, min(_BATCH, wanted - len(good)))):
                share = (number + len(good) / wanted) / len(drawn)
                progress(f"reading {CLASSES[number]}, {len(good):,} of {wanted:,}", share)
                for path, found in zip(batch, pool.map(_read, batch), strict=True):
                    if isinstance(found, str):
                        broken.append(Broken(str(path.relative_to(root)), found))
                    else:
                        good.append(found)
            images.append(np.stack(good) if good else np.empty((0, SIDE, SIDE, 3), np.uint8))
    return images, broken


def _read(path: Path) -> np.ndarray | str:
    """The image in a file, uint8 [32, 32, 3], or why it cannot be read."""
    try:
        with opened(path) as file:
            # decoding a JPEG of 1024x1024 at an eighth of its size takes a tenth of the time
            file.draft("RGB", (2 * SIDE, 2 * SIDE))
            with _one_large if file.width * file.height > _LARGE else nullcontext():
                image = ImageOps.exif_transpose(file)
                if image.mode not in (*GREY, *COLOUR, "P"):
                    raise wrong_pixels(image.mode)
                square = ImageOps.fit(image.convert("RGB"), (SIDE, SIDE), Image.Resampling.BOX)
                return np.asarray(square)
    except BrokenImage as error:
        return str(error)


def _filled(
    originals: list[np.ndarray], total: int, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """`total` images, in which the classes take turns, and their labels.

    originals: the images of each class, uint8 [n, 32, 32, 3]. They come first unchanged; if `total`
    is larger, randomly changed copies of them follow.
    """
    count = len(originals[0])
    turn, labels = np.divmod(np.arange(total, dtype=np.int64), len(originals))
    images = np.empty((total, SIDE, SIDE, 3), np.uint8)
    for label, part in enumerate(originals):
        mine = labels == label
        images[mine] = part[turn[mine] % count]
    copies = np.flatnonzero(turn >= count)
    for start in range(0, len(copies), _BATCH):
        progress(f"changing copies, {start:,} of {len(copies):,}", start / len(copies))
        block = copies[start : start + _BATCH]
        images[block] = changed(images[block], random)
    return images, labels
