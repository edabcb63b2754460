"""Reads the user's own image files, and reports those that cannot be read."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from pipeline.data.arrays import Broken
from pipeline.errors import PipelineError
from specs.paths import open_file, shown

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The formats that are read. Pillow knows more, and for some of those it starts other programs."""
SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm"),
    *(".png", ".ppm", ".tif", ".tiff", ".webp"),
)
GREY = ("1", "L", "LA")
COLOUR = ("RGB", "RGBA", "CMYK", "YCbCr")
"""Pillow's modes of 8 bits per channel. Images of 16 bits would lose bits, so they are refused."""
_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, LookupError, EOFError, TypeError, struct.error, zlib.error),
)
"""What Pillow raises for files that are damaged or not an image."""
MOST_PIXELS = 1 << 25
"""The most pixels of one image (5,792 x 5,792). Decoding takes up to 13 bytes for each."""
_GREATEST = 1 << 28
"""The largest file that is read, in bytes."""
_TOLD = 20
"""How many broken files an error names."""


# Pillow warns of images between its two bounds. They are above our bound, whose error is enough.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class BrokenImage(Exception):
    """A file that cannot be read; its text is the reason."""


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Opens an image; decode it within the context. BrokenImage: damaged, too large or no image."""
    try:
        with open_file(path) as content, Image.open(content, formats=FORMATS) as file:
            _require_bearable(os.fstat(content.fileno()).st_size, file.size)
            yield file
    except Image.DecompressionBombError:
        raise BrokenImage(f"too many pixels; at most {MOST_PIXELS:,} are decoded") from None
    except UnidentifiedImageError:
        raise BrokenImage(f"no image, or damaged; read are {', '.join(FORMATS)}") from None
    except _UNREADABLE as error:
        told = error.strerror if isinstance(error, OSError) else None
        raise BrokenImage(f"cannot be read: {told or error}") from None


def _require_bearable(length: int, size: tuple[int, int]) -> None:
    """Raises BrokenImage if decoding the image would take too much memory."""
    if length > _GREATEST:
        raise BrokenImage(f"{length:,} bytes; at most {_GREATEST:,} are read")
    width, height = size
    if width * height > MOST_PIXELS:
        raise BrokenImage(f"{height:,} x {width:,} pixels; at most {MOST_PIXELS:,} are decoded")


def wrong_pixels(mode: str) -> BrokenImage:
    """The error for an image whose mode is neither in GREY nor in COLOUR."""
    return BrokenImage(
        f"its pixels are of Pillow's mode {mode}; save it with 8 bits, as grey or as RGB"
    )


def is_image(path: Path) -> bool:
    """Whether a file is an image, judged by its name. A folder is not."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def refuse(root: Path, broken: list[Broken]) -> PipelineError:
    """The error that names the first 20 broken files and says what to do."""
    lines = [f"{shown(root / file.file)}: {file.reason}" for file in broken[:_TOLD]]
    if len(broken) > _TOLD:
        lines.append(f"... and {len(broken) - _TOLD:,} more")
    way_out = (
        'repair or remove them, or leave them out with broken = "skip" in the network\'s [data]'
    )
    return PipelineError("\n".join([f"broken image files: {len(broken):,}", *lines, way_out]))
