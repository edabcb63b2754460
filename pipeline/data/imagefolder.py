"""The user's own images: data_root has the folders train/<class>/ and test/<class>/ of images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.arrays import DataSet
from pipeline.data.class_lists import candidates, classes_of
from pipeline.data.image_arrays import read_all
from pipeline.data.image_files import SUFFIXES, is_image, refuse
from pipeline.errors import PipelineError
from specs.data import DataSpec, Resize
from specs.paths import shown

TRAIN = ("train", "Train", "Training", "Final_Training/Images")
TEST = ("test", "Test", "Final_Test/Images")
"""The folders of the training and the test images; the first that exists is taken."""
_ABOVE = ("", "GTSRB")
"""Where these are in data_root."""
LAYOUT = "train/<class>/ and test/<class>/"
_WANTED = (
    f"wanted are {LAYOUT} with an image a file; or all test images in test/, with a CSV file that "
    "names their classes, as GTSRB has it"
)
_NAMED = 10
"""How many classes the note names."""


@dataclass(frozen=True)
class _Split:
    """The training or the test images.

    name: of their folder, below data_root. flat: whether all of them lie in it, without folders.
    """

    name: str
    flat: bool
    images: list[list[Path]]
    """The files of each class."""
    ignored: int
    """The number of other files and folders beside them."""

    def require_all(self, root: Path, classes: list[str], bad: set[Path]) -> None:
        """Raises PipelineError if a class has no image that can be read."""
        parts = zip(classes, self.images, strict=True)
        empty = [f"{self.name}/{name}" for name, part in parts if not set(part) - bad]
        if empty:
            ending = f"an image ends with {', '.join(SUFFIXES)}"
            remedy = "its list of classes names none for these" if self.flat else ending
            raise PipelineError(f"{root}: no images in {', '.join(empty)}; {remedy}")


def load(settings: Mapping[str, Any], spec: DataSpec, size: Resize | None = None) -> DataSet:
    """Loads all images under data_root. Labels number the classes in the order of their names.

    Images are uint8, with one channel if all are greyscale, else RGB. Transparency is dropped, and
    photos are rotated as their EXIF says. size: what each image is resized to when it is read;
    None: all must have one size. The classes take turns, within each by file name, so that the
    first images show many classes. PipelineError: the folders are not as required, or files cannot
    be read and the spec does not say to skip them.
    """
    if not settings.get("data_root"):
        raise PipelineError(f"dataset=imagefolder: give its folder with data_root=; {_WANTED}")
    root = Path(settings["data_root"])
    train_folder, test_folder = _places(root)
    classes = _classes(root, train_folder, test_folder)
    test = (
        _listed(test_folder, root, classes)
        if _flat(test_folder)
        else _sorted(test_folder, root, classes)
    )
    splits = (_sorted(train_folder, root, classes), test)
    for split in splits:
        split.require_all(root, classes, set())
    ordered = [_in_turn(split.images) for split in splits]
    images, broken, resized = read_all([path for part in ordered for _, path in part], root, size)
    if broken and spec.broken == "refuse":
        raise refuse(root, broken)
    bad = {root / file.file for file in broken}
    for split in splits:
        split.require_all(root, classes, bad)
    train, labels = (
        np.array([label for label, path in part if path not in bad], np.int64) for part in ordered
    )
    note = _note(classes, sum(split.ignored for split in splits), len(broken))
    if size is not None and resized:
        note += f"; resized to {size.height}x{size.width} ({size.method}): {resized:,} images"
    return DataSet(
        images[: len(train)], train, images[len(train) :], labels, note, skipped=tuple(broken)
    )


def fingerprint(root: Path) -> str:
    """A digest of the names, sizes and modification times of all files that `load` would read."""
    digest = hashlib.sha256()
    for folder in (_place(root, TRAIN), _place(root, TEST)):
        if folder is None:
            continue
        for path in _read_from(folder, root):
            try:
                stat = path.stat()
                # not a folder's time, since hidden files in it change that, too
                state = [stat.st_size, stat.st_mtime_ns] if path.is_file() else []
            except OSError:
                state = []  # a broken link, which `load` will report
            digest.update(os.fsencode(path.relative_to(root)) + f"\0{state}\n".encode())
    return digest.hexdigest()


def _read_from(folder: Path, root: Path) -> list[Path]:
    """The folders of classes and what is in them; or the flat images and the lists beside them."""
    if _flat(folder):
        lists = [path for files in candidates(folder, root) for path in files]
        return [*filter(is_image, _visible(folder)), *lists]
    return [path for below in _folders(folder) for path in (below, *_visible(below))]


def _place(root: Path, names: tuple[str, ...]) -> Path | None:
    places = (root / above / name for above in _ABOVE for name in names)
    return next((place for place in places if place.is_dir()), None)


def _places(root: Path) -> tuple[Path, Path]:
    """The folders of the training and of the test images. PipelineError: one is not there."""
    train, test = _place(root, TRAIN), _place(root, TEST)
    if train is None or test is None:
        absent = [f"{name}/" for name, place in (("train", train), ("test", test)) if not place]
        raise PipelineError(f"data_root = {root}: no {' and no '.join(absent)} in it; {_WANTED}")
    return train, test


def _flat(folder: Path) -> bool:
    """Whether images lie in the folder itself, and no folders of classes."""
    return not _folders(folder) and any(map(is_image, _visible(folder)))


def _classes(root: Path, train_folder: Path, test_folder: Path) -> list[str]:
    """The sorted names of the classes. PipelineError: both folders have different ones."""
    folders = [train_folder] if _flat(test_folder) else [train_folder, test_folder]
    names = {_below(place, root): [path.name for path in _folders(place)] for place in folders}
    if none := [f"{split}/" for split in names if not names[split]]:
        raise PipelineError(f"{root}: no folder of a class in {' and '.join(none)}; {_WANTED}")
    every = {name for part in names.values() for name in part}
    if odd := [shown(name) for name in every if shown(name) != name]:
        raise PipelineError(f"{root}: names of classes must be plain text in UTF-8: {min(odd)!r}")
    alone = [
        f"{split}/{name}"
        for split, part in names.items()
        for name in part
        if not all(name in other for other in names.values())
    ]
    if alone:
        raise PipelineError(
            f"{root}: {'/ and '.join(names)}/ differ in their classes: {', '.join(alone)} stands "
            "alone"
        )
    classes = sorted(every)
    if len(classes) < 2:
        raise PipelineError(f"{root}: one class alone, {classes[0]}; at least two are needed")
    return classes


def _sorted(folder: Path, root: Path, classes: list[str]) -> _Split:
    """The images of a folder that has a folder for each class."""
    found = [_visible(folder / name) for name in classes]
    images = [list(filter(is_image, part)) for part in found]
    ignored = sum(map(len, found)) - sum(map(len, images))
    return _Split(_below(folder, root), False, images, ignored)


def _listed(folder: Path, root: Path, classes: list[str]) -> _Split:
    """The images that all lie in one folder, with a list of their classes."""
    found = [path for path in _visible(folder) if path.suffix.lower() != ".csv"]
    images = list(filter(is_image, found))
    sorted_out: list[list[Path]] = [[] for _ in classes]
    for path, label in zip(images, classes_of(images, root, classes), strict=True):
        sorted_out[label].append(path)
    return _Split(_below(folder, root), True, sorted_out, len(found) - len(images))


def _below(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix()


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


def _note(classes: list[str], ignored: int, broken: int) -> str:
    names = [*classes[:_NAMED], *(["..."] if len(classes) > _NAMED else [])]
    others = f"; not images, ignored: {ignored} files or folders" if ignored else ""
    skipped = f"; broken, skipped: {broken} files" if broken else ""
    return f"classes in order: {', '.join(names)}{others}{skipped}"
