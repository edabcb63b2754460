"""Reads many image files of the user's into one array, each resized as soon as it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ImageOps

from pipeline.data.arrays import Broken
from pipeline.data.image_files import COLOUR, GREY, BrokenImage, opened, refuse, wrong_pixels
from pipeline.data.prepare import prepare
from pipeline.errors import PipelineError
from pipeline.job import progress
from specs.data import Resize
from specs.input import InputSpec
from specs.paths import shown

_REPORT_EVERY = 500
"""How many images are read between two progress lines."""
_FREE, _RATIO, _GREATEST = 1 << 28, 256, 1 << 32
"""Bytes that all images may take in memory: these always; so many for each byte of their files; and
the most in any case."""


def read_all(
    paths: list[Path], root: Path, size: Resize | None
) -> tuple[np.ndarray, list[Broken], int]:
    """The images that can be read, the files that cannot, and how many images were resized.

    Images are uint8 [N, height, width, 1 or 3]: one channel if all are greyscale. size: what they
    are resized to; None: all must have one size. PipelineError: they have not, or need too much
    memory, or none can be read.
    """
    images = np.empty((0, 0, 0, 3), np.uint8)
    read, resized, grey, first = 0, 0, True, None
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
        if size is not None and image.shape[:2] != (size.height, size.width):
            image = _resized(image, size)
            resized += 1
        if first is None:
            first = path
            images = _room(paths, image.shape[:2], root, size)
        if image.shape[:2] != images.shape[1:3]:
            (height, width), (other, wide) = images.shape[1:3], image.shape[:2]
            raise PipelineError(
                f"{shown(first)} is {height}x{width} and {shown(path)} is {other}x{wide} (height x "
                "width); all images must have one size: scale or crop them to it first, or have "
                'them resized, with input.resize = "bilinear" or "nearest" and an input.shape of '
                "height, width and channels"
            )
        images[read] = image
        read += 1
        grey = grey and image.shape[2] == 1
    if not read:
        raise refuse(root, broken)
    found = images[:read]
    return (np.ascontiguousarray(found[..., :1]) if grey else found), broken, resized


def _resized(image: np.ndarray, size: Resize) -> np.ndarray:
    """The image at this size, as the driver would resize it on the board."""
    shape = (size.height, size.width, image.shape[2])
    resized: np.ndarray = prepare(image[None], InputSpec(shape=shape, resize=size.method))[0]
    return resized


def _room(paths: list[Path], shape: tuple[int, ...], root: Path, size: Resize | None) -> np.ndarray:
    """An empty array for all images. PipelineError: too large, or too large for the files' size."""
    needed = len(paths) * shape[0] * shape[1] * 3
    bearable = _FREE
    if needed > bearable:
        packed = sum(path.stat().st_size for path in paths if path.exists())
        bearable = min(max(_FREE, _RATIO * packed), _GREATEST)
    if needed > bearable:
        remedy = "scale the images to the network's size" if size is None else "use fewer images"
        raise PipelineError(
            f"{root}: {len(paths):,} images of {shape[0]}x{shape[1]} take {needed:,} bytes; "
            f"files of this size may take {bearable:,}; {remedy}"
        )
    return np.empty((len(paths), *shape, 3), np.uint8)


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
