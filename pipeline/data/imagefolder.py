"""The user's own images: data_root has the folders train/<class>/ and test/<class>/ of images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageOps

from pipeline.data.arrays import Broken, DataSet
from pipeline.data.image_files import (
    COLOUR,
    GREY,
    SUFFIXES,
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

SPLITS = ("train", "test")
LAYOUT = "train/<class>/ and test/<class>/"
_WANTED = f"wanted are {LAYOUT} with an image a file"
_REPORT_EVERY = 500
"""How many images are read between two progress lines."""
_FREE, _RATIO, _GREATEST = 1 << 28, 256, 1 << 32
"""Bytes that all images may take in memory: these always; so many for each byte of their files; and
the most in any case."""
_NAMED = 10
"""How many classes the note names."""


def load(settings: Mapping[str, Any], spec: DataSpec) -> DataSet:
    """Loads all images under data_root. Labels number the classes in the order of their names.

    Images are uint8, with one channel if all are greyscale, else RGB. Transparency is dropped, and
    photos are rotated as their EXIF says. The classes take turns, within each by file name, so that
    the first images show many classes. PipelineError: the folders are not as required, the images
    differ in size, or files cannot be read and the spec does not say to skip them.
    """
    if not settings.get("data_root"):
        raise PipelineError(f"dataset=imagefolder: give its folder with data_root=; {_WANTED}")
    root = Path(settings["data_root"])
    classes = _classes(root)
    found = {split: [_visible(root / split / name) for name in classes] for split in SPLITS}
    files = {split: [list(filter(is_image, part)) for part in found[split]] for split in SPLITS}
    _require_images(root, classes, files)
    ordered = {split: _in_turn(files[split]) for split in SPLITS}
    images, broken = _read_all([path for split in SPLITS for _, path in ordered[split]], root)
    if broken and spec.broken == "refuse":
        raise refuse(root, broken)
    bad = {root / file.file for file in broken}
    kept = {split: [pair for pair in ordered[split] if pair[1] not in bad] for split in SPLITS}
    left = {
        split: [[path for path in part if path not in bad] for part in files[split]]
        for split in SPLITS
    }
    _require_images(root, classes, left)
    train, test = (
        np.array([label for label, _ in kept[split]], dtype=np.int64) for split in SPLITS
    )
    ignored = sum(map(len, found["train"] + found["test"])) - len(images) - len(broken)
    note = _note(classes, ignored, len(broken))
    return DataSet(
        images[: len(train)], train, images[len(train) :], test, note, skipped=tuple(broken)
    )


def _require_images(root: Path, classes: list[str], files: dict[str, list[list[Path]]]) -> None:
    """Raises PipelineError if a class has no image in train/ or in test/."""
    empty = [
        f"{split}/{name}"
        for split in SPLITS
        for name, part in zip(classes, files[split], strict=True)
        if not part
    ]
    if empty:
        raise PipelineError(
            f"{root}: no images in {', '.join(empty)}; an image ends with {', '.join(SUFFIXES)}"
        )


def fingerprint(root: Path) -> str:
    """A digest of the names, sizes and modification times of all files that `load` would read."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for folder in _folders(root / split):
            for path in (folder, *_visible(folder)):
                try:
                    stat = path.stat()
                    # not a folder's time, since hidden files in it change that, too
                    state = [stat.st_size, stat.st_mtime_ns] if path.is_file() else []
                except OSError:
                    state = []  # a broken link, which `load` will report
                digest.update(os.fsencode(path.relative_to(root)) + f"\0{state}\n".encode())
    return digest.hexdigest()


def _classes(root: Path) -> list[str]:
    """The sorted names of the classes. PipelineError: train/ and test/ have different ones."""
    absent = [f"{split}/" for split in SPLITS if not (root / split).is_dir()]
    if absent:
        raise PipelineError(f"data_root = {root}: no {' and no '.join(absent)} in it; {_WANTED}")
    names = {split: [folder.name for folder in _folders(root / split)] for split in SPLITS}
    if none := [f"{split}/" for split in SPLITS if not names[split]]:
        raise PipelineError(f"{root}: no folder of a class in {' and '.join(none)}; {_WANTED}")
    train, test = names.values()
    if odd := [shown(name) for name in {*train, *test} if shown(name) != name]:
        raise PipelineError(f"{root}: names of classes must be plain text in UTF-8: {min(odd)!r}")
    alone = [f"train/{name}" for name in train if name not in test]
    alone += [f"test/{name}" for name in test if name not in train]
    if alone:
        raise PipelineError(
            f"{root}: train/ and test/ differ in their classes: {', '.join(alone)} stands alone"
        )
    if len(train) < 2:
        raise PipelineError(f"{root}: one class alone, {train[0]}; at least two are needed")
    return train


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()] if folder.is_dir() else []


def _visible(folder: Path) -> list[Path]:
    """The entries of a folder by name, without hidden ones such as .DS_Store."""
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise PipelineError(f"{folder}: cannot be read: {error.strerror}") from None
    return sorted(found, key=lambda path: path.name)


def _in_turn(files: list[list[Path]]) -> list[tuple[int, Path]]:
    """Pairs of label and file: the first file of each class, then the second of each, and so on."""
    turns = [
        (turn, label, path) for label, part in enumerate(files) for turn, path in enumerate(part)
    ]
    return [(label, path) for _, label, path in sorted(turns)]


def _read_all(paths: list[Path], root: Path) -> tuple[np.ndarray, list[Broken]]:
    """The images that can be read, uint8 [N, height, width, 1 or 3], and the files that cannot."""
    images = np.empty((0, 0, 0, 3), np.uint8)
    read, grey, first = 0, True, None
    broken: list[Broken] = []
    for number, path in enumerate(paths):
        if number % _REPORT_EVERY == 0:
            place = shown(path.relative_to(path.parents[1]))
            progress(f"reading {place}", number / len(paths))
        try:
            image = _read(path)
        except BrokenImage as error:
            broken.append(Broken(str(path.relative_to(root)), str(error)))
            continue
        if first is None:
            first = path
            images = _room(paths, image.shape[:2], root)
        wanted, size = images.shape[1:3], image.shape[:2]
        if size != wanted:
            raise PipelineError(
                f"{shown(first)} is {wanted[0]}x{wanted[1]} and {shown(path)} is "
                f"{size[0]}x{size[1]} (height x width); all images must have one size: scale or "
                "crop them to it first"
            )
        images[read] = image
        read += 1
        grey = grey and image.shape[2] == 1
    if not read:
        raise refuse(root, broken)
    found = images[:read]
    return (np.ascontiguousarray(found[..., :1]) if grey else found), broken


def _room(paths: list[Path], size: tuple[int, ...], root: Path) -> np.ndarray:
    """An empty array for all images. PipelineError: too large, or too large for the files' size."""
    needed = len(paths) * size[0] * size[1] * 3
    bearable = _FREE
    if needed > bearable:
        packed = sum(path.stat().st_size for path in paths if path.exists())
        bearable = min(max(_FREE, _RATIO * packed), _GREATEST)
    if needed > bearable:
        raise PipelineError(
            f"{root}: {len(paths):,} images of {size[0]}x{size[1]} take {needed:,} bytes; "
            f"files of this size may take {bearable:,}; scale the images to the network's size"
        )
    return np.empty((len(paths), *size, 3), np.uint8)


def _read(path: Path) -> np.ndarray:
    """The image in a file as uint8: [height, width, 1] if greyscale, else [height, width, 3]."""
    with opened(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode in GREY:
            return np.asarray(image.convert("L"))[..., None]
        if image.mode == "P":
            return _palette(np.asarray(image.convert("RGB")))
        if image.mode in COLOUR:
            return np.asarray(image.convert("RGB"))
        raise wrong_pixels(image.mode)


def _palette(pixels: np.ndarray) -> np.ndarray:
    """An image with a palette, as one channel if all its colours are grey, as in a grey GIF."""
    grey = pixels[..., :1]
    return grey if (pixels == grey).all() else pixels


def _note(classes: list[str], ignored: int, broken: int) -> str:
    names = [*classes[:_NAMED], *(["..."] if len(classes) > _NAMED else [])]
    others = f"; not images, ignored: {ignored} files or folders" if ignored else ""
    skipped = f"; broken, skipped: {broken} files" if broken else ""
    return f"classes in order: {', '.join(names)}{others}{skipped}"
