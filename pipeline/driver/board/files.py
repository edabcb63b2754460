"""Reads the arrays and signatures of a package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.driver.board.settings import DriverError


def read_array(path: Path) -> np.ndarray:
    """An array of the package, which may hold nothing but numbers."""
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DriverError("golden", f"{path}: cannot be read: {error}") from None
    return found


def read_test_set(path: Path) -> tuple[np.ndarray, np.ndarray]:
    names = ("images", "labels")
    if path.is_dir():
        images, labels = (read_array(path / f"{name}.npy") for name in names)
    else:
        try:
            with np.load(path, allow_pickle=False) as archive:
                images, labels = (archive[name] for name in names)
        except (OSError, ValueError, KeyError) as error:
            raise DriverError("test set", f"{path}: cannot be read: {error}") from None
    if len(images) != len(labels) or not len(images):
        raise DriverError("test set", f"{path}: {len(images)} images and {len(labels)} labels")
    return images, labels


def read_signatures(path: Path) -> dict[str, Any]:
    """batch: of all golden inputs by edge; images: of each of the first inputs by itself."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        batch, *images = (
            {edge: int(text, 16) for edge, text in entry.items()}
            for entry in (document["batch"], *document["images"])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DriverError("golden", f"{path}: cannot be read: {error}") from None
    return {"batch": batch, "images": images}
