"""Saves what an interrupted pruning needs to continue with the same result."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.pruning.choice import Masks
from pipeline.pruning.record import Row
from pipeline.training.team import Team

_STATE = "rounds.pt"


@dataclass(frozen=True)
class State:
    """After a round: weights, masks, and a row for each round from 0, the whole network."""

    weights: dict[str, Tensor]
    masks: Masks
    rows: list[Row]


class States:
    """One file with the state after the last round, always replaced as a whole.

    Within a round it is the training's own checkpoint that is continued from.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _STATE

    def checkpoint(self, number: int) -> Path:
        """The checkpoint of a round's fine-tuning: each round has its own."""
        return self._path.with_name(f"round{number}.pt")

    def save(self, state: State, number: int) -> None:
        """Saves the state after a round, whose checkpoint is no longer needed then."""
        partial = self._path.with_suffix(".partial")
        document = {
            "weights": state.weights,
            "masks": state.masks,
            "rows": [asdict(row) for row in state.rows],
        }
        with partial.open("wb") as file:
            torch.save(document, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
        _remove(self.checkpoint(number))

    def load(self, team: Team) -> State | None:
        """The state in the file; None if there is none. All processes get the first one's."""
        document = None
        if team.rank == 0 and self._path.is_file():
            document = torch.load(self._path, map_location="cpu", weights_only=True)
        document = team.told_by_first(document)
        if document is None:
            return None
        rows = [Row(**row) for row in document["rows"]]
        return State(document["weights"], document["masks"], rows)

    def remove(self) -> None:
        """Removes what was left. Call it when all results are written."""
        _remove(self._path)
        for left in self._path.parent.glob("round*.pt"):
            _remove(left)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".partial").unlink(missing_ok=True)
