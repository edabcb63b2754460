"""Saves and loads all that an interrupted training needs to continue with the same result."""

from __future__ import annotations

import math
import os
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.training.curves import Row
from pipeline.training.recipe import Recipe
from pipeline.training.team import ALONE, Team


@dataclass(frozen=True)
class Snapshot:
    """Weights after an epoch (from 1; 0: untrained), and their validation accuracy in per cent."""

    epoch: int
    accuracy: float
    weights: dict[str, Tensor]


@dataclass
class State:
    """The state of the training after `epoch` epochs.

    The order of the data follows from the epoch, and whether patience has run out from the rows.
    """

    epoch: int = 0
    best: Snapshot | None = None
    rows: list[Row] = field(default_factory=list)


class Checkpoints:
    """One file with weights, Recipe, random generators and State, always replaced as a whole."""

    def __init__(self, path: Path, seconds: float = 2.0) -> None:
        """seconds: the shortest time between two saves.

        What is lost in between is trained again, with the same result. The first epoch is saved at
        once, so that an error in saving shows early.
        """
        self._path = path
        self._seconds = seconds
        self._saved = -math.inf

    def save(self, state: State, model: nn.Module, recipe: Recipe, *, last: bool) -> None:
        """Saves if enough time has passed, and always after the last epoch."""
        now = time.monotonic()
        if now - self._saved < self._seconds and not last:
            return
        document = {
            "epoch": state.epoch,
            "best": vars(state.best) if state.best else None,
            "rows": [asdict(row) for row in state.rows],
            "model": model.state_dict(),
            "recipe": recipe.state_dict(),
            "generators": _generators(),
        }
        partial = self._path.with_suffix(".partial")
        with partial.open("wb") as file:
            torch.save(document, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
        self._saved = now

    def load(self, model: nn.Module, recipe: Recipe, team: Team = ALONE) -> State | None:
        """Restores model, recipe and generators from the file; returns None if there is none.

        All processes of a team continue from the file of the first one.
        """
        document = None
        if team.rank == 0 and self._path.is_file():
            document = torch.load(self._path, map_location="cpu", weights_only=True)
        document = team.told_by_first(document)
        if document is None:
            return None
        model.load_state_dict(document["model"])
        recipe.load_state_dict(document["recipe"])
        _set_generators(document["generators"])
        best = Snapshot(**document["best"]) if document["best"] else None
        return State(document["epoch"], best, [Row(**row) for row in document["rows"]])

    def remove(self) -> None:
        """Removes the file. Call it when all results of the training are written."""
        self._path.unlink(missing_ok=True)
        self._path.with_suffix(".partial").unlink(missing_ok=True)


def _generators() -> dict[str, Any]:
    # The global generator is the one a data set or augmentation might use unnoticed.
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        "python": random.getstate(),
        # without arrays, so that the file loads with weights_only
        "numpy": [name, np.asarray(keys).tolist(), *rest],
    }


def _set_generators(saved: dict[str, Any]) -> None:
    torch.set_rng_state(saved["torch"])
    if saved["cuda"] is not None:
        torch.cuda.set_rng_state(saved["cuda"])
    random.setstate(saved["python"])
    name, keys, *rest = saved["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
