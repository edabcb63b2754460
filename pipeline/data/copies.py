"""Augmentation: changed copies of images."""

from __future__ import annotations

import numpy as np

DEGREES, SHIFT, BRIGHTNESS = 10, 2, 25
"""The largest rotation in degrees, shift in pixels in each direction, and change of a pixel's value
(0 to 255)."""
CONTRAST = (205, 307)
"""The smallest and largest factor of contrast around mid-grey, in 1/256: 4/5 to 6/5."""

_BITS = 10
_ONE = 1 << _BITS
"""The integer that stands for one pixel, or for a cosine of 1. Positions are integers, so that all
machines get the same result."""


def changed(images: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Random changes of images uint8 [N, H, W, C]: mirror, rotation, shift, brightness, contrast.

    Pixels from outside an image repeat its border.
    """
    count, height, width, _ = images.shape
    mirror = 1 - 2 * random.randint(2, size=(count,))
    angle = np.deg2rad(random.randint(-DEGREES, DEGREES + 1, size=(count,)))
    shift = random.randint(-SHIFT, SHIFT + 1, size=(2, count))
    cosine, sine = (
        np.rint(part * _ONE).astype(np.int32) for part in (np.cos(angle), np.sin(angle))
    )
    # distances of pixels to the centre in half pixels: integers for any size
    y = (2 * np.arange(height) - (height - 1))[:, None]
    x = (2 * np.arange(width) - (width - 1))[None, :]
    x = x * mirror[:, None, None]
    rows = _positions(_each(cosine) * y - _each(sine) * x, shift[0], height)
    columns = _positions(_each(sine) * y + _each(cosine) * x, shift[1], width)
    moved = _sample(images, rows, columns)
    gain = random.randint(CONTRAST[0], CONTRAST[1] + 1, size=(count,)).astype(np.int32)
    light = random.randint(-BRIGHTNESS, BRIGHTNESS + 1, size=(count,)).astype(np.int32)
    lit: np.ndarray = (
        (moved - 128) * _each(gain)[..., None] + (_each(light)[..., None] + 128) * 256 + 128
    )
    return (lit >> 8).clip(0, 255).astype(np.uint8)


def _each(values: np.ndarray) -> np.ndarray:
    return values[:, None, None]


def _positions(from_centre: np.ndarray, shift: np.ndarray, size: int) -> np.ndarray:
    """Positions [N, H, W] in 1/1024 pixel, clipped to the image.

    from_centre: twice their distance to the centre.
    """
    found: np.ndarray = (from_centre + (size - 1) * _ONE) // 2 + _each(shift) * _ONE
    return found.clip(0, (size - 1) * _ONE)


def _sample(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Interpolates between the four neighbours of each position: int32 [N, H, W, C]."""
    number = np.arange(len(images))[:, None, None]
    row, part_y = rows >> _BITS, (rows & (_ONE - 1)).astype(np.int32)[..., None]
    column, part_x = columns >> _BITS, (columns & (_ONE - 1)).astype(np.int32)[..., None]
    below = np.minimum(row + 1, images.shape[1] - 1)
    right = np.minimum(column + 1, images.shape[2] - 1)
    above = images[number, row, column] * (_ONE - part_x) + images[number, row, right] * part_x
    under = images[number, below, column] * (_ONE - part_x) + images[number, below, right] * part_x
    both = above * (_ONE - part_y) + under * part_y
    rounded: np.ndarray = (both + (1 << (2 * _BITS - 1))) >> (2 * _BITS)
    return rounded
