"""notebook.ipynb: the driver's first steps as a notebook for the board."""

from __future__ import annotations

import json
from typing import Any

_CELLS = (
    (
        "markdown",
        "# {network} on {board}\n\nRun this on the board, in the folder of the package, as root "
        "(the notebooks of a PYNQ image are).",
    ),
    ("code", "from driver import Accelerator\n\naccelerator = Accelerator()\naccelerator.info()"),
    ("markdown", "The outputs of the golden inputs must be equal, bit for bit."),
    ("code", "accelerator.validate()"),
    ("markdown", "Speed: by the accelerator's own counters, and with packing in Python."),
    ("code", "accelerator.throughput()"),
    ("code", "accelerator.latency()"),
    (
        "markdown",
        "If something is wrong, this says where. With `signatures=on` it names the first layer "
        "whose stream differs.",
    ),
    ("code", "accelerator.diagnose()"),
    (
        "markdown",
        "Your own inputs: {inputs}. They are prepared as in training.",
    ),
    (
        "code",
        "import numpy as np\n\nimages = np.load('golden/inputs.npy')[:10]\n"
        "accelerator.classify(images)",
    ),
    ("code", "accelerator.close()"),
)


def notebook(network: str, board: str, shape: tuple[int, ...]) -> str:
    """The notebook, in the format of Jupyter."""
    if len(shape) == 1:
        inputs = f"vectors of {shape[0]} integers, an array [N, {shape[0]}]"
    else:
        inputs = f"images uint8 [N, height, width, {shape[2]}] of any size"
    words = {"network": network, "board": board, "inputs": inputs}
    document = {
        "cells": [_cell(k, kind, text, words) for k, (kind, text) in enumerate(_CELLS)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1) + "\n"


def _cell(number: int, kind: str, text: str, words: dict[str, str]) -> dict[str, Any]:
    source = text.format(**words) if kind == "markdown" else text
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": source.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}
