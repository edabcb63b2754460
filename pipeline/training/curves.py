"""Training curves: live for TensorBoard, and as CSV at the end of the training."""

from __future__ import annotations

import csv
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


@dataclass(frozen=True)
class Row:
    """One epoch (from 1): its first learning rate, mean loss (with dropout), accuracies in %."""

    epoch: int
    learning_rate: float
    train_loss: float
    validation_accuracy: float
    validation_top5: float | None = None


class Curves:
    """Writes curves.csv and tensorboard/. The latter holds times, so it is not compared.

    name: of several trainings of one stage; then they are <name>.csv and tensorboard/<name>.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        self._board = folder / "tensorboard" / name
        self._table = folder / f"{name or 'curves'}.csv"

    def begin(self, rows: list[Row]) -> None:
        """rows: the epochs that an interrupted run left. TensorBoard drops what came after them."""
        self._writer = SummaryWriter(str(self._board), purge_step=len(rows) + 1, flush_secs=5)

    def add(self, row: Row, rows: list[Row]) -> None:
        """Appends `row` to `rows`, and shows it in TensorBoard."""
        rows.append(row)
        for name, value in asdict(row).items():
            if name != "epoch" and value is not None:
                self._writer.add_scalar(name, value, row.epoch)

    def end(self, rows: list[Row]) -> None:
        self._writer.close()
        with self._table.open("w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(field.name for field in fields(Row))
            table.writerows(map(_written, astuple(row)) for row in rows)


def _written(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"
