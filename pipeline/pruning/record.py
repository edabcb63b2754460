"""What a pruning leaves to read: what each round and each layer lost, as tables and as a plot."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.models import Cut, Part
from specs.pruning import PruningSpec


@dataclass(frozen=True)
class Row:
    """The network after a round; round 0 is the whole one.

    sparsity: the share of all weights that is gone, in %. macs: the products that one image needs.
    Accuracies in %; validation_before: of the masked network before its fine-tuning.
    """

    round: int
    sparsity: float
    weights: int
    macs: int
    validation_before: float
    validation_accuracy: float
    test_accuracy: float


@dataclass(frozen=True)
class Size:
    """How many weights a network or layer has, and how many products an image takes."""

    weights: int
    macs: int


def size_of(parts: Mapping[str, Part], cut: Cut) -> Size:
    """The size of what is left."""
    sizes = [_size(part, cut) for part in parts.values()]
    return Size(sum(x.weights for x in sizes), sum(x.macs for x in sizes))


def _size(part: Part, cut: Cut) -> Size:
    rows, columns = _live(part, cut)
    mask = cut.masks.get(part.id, torch.ones(part.columns, dtype=torch.bool))
    if mask.dim() == 1:
        weights = int(rows.sum()) * int((mask & columns).sum())
    else:
        weights = int(mask[rows][:, columns].sum())
    return Size(weights, weights * part.vectors)


def _live(part: Part, cut: Cut) -> tuple[Tensor, Tensor]:
    """Rows and columns of the layer that are not taken out."""
    rows = cut.kept.get(part.id, torch.ones(part.rows, dtype=torch.bool))
    columns = torch.ones(part.columns, dtype=torch.bool)
    if part.source in cut.kept:
        columns = cut.kept[part.source][torch.arange(part.columns) % part.channels]
    return rows, columns


def write_layers(folder: Path, parts: Mapping[str, Part], cut: Cut) -> None:
    """pruning.json: for each layer its matrix before and after, and what is gone, for a reader.

    Positions count in the whole network, in the order of the hardware's stream.
    """
    layers: dict[str, Any] = {}
    for name, part in parts.items():
        rows, columns = _live(part, cut)
        layer: dict[str, Any] = {
            "rows": [part.rows, int(rows.sum())],
            "columns": [part.columns, int(columns.sum())],
            "weights": [part.rows * part.columns, _size(part, cut).weights],
        }
        if (mask := cut.masks.get(name)) is not None and mask.dim() == 1:
            layer["columns"][1] = int((mask & columns).sum())
            layer["columns_gone"] = (~mask).nonzero().flatten().tolist()
        if name in cut.kept:
            layer["channels_gone"] = (~rows).nonzero().flatten().tolist()
        layers[name] = layer
    text = ",\n ".join(f"{json.dumps(name)}: {json.dumps(x)}" for name, x in layers.items())
    (folder / "pruning.json").write_text(f"{{\n {text}\n}}\n")


def write_rounds(folder: Path, rows: list[Row]) -> None:
    """rounds.csv, one line for each round."""
    with (folder / "rounds.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(field.name for field in fields(Row))
        table.writerows([_written(value) for value in astuple(row)] for row in rows)


def _written(value: float) -> str:
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def draw(folder: Path, rows: list[Row], spec: PruningSpec) -> None:
    """rounds.svg: accuracy against sparsity. The same rows give the same bytes."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second, which no other use of this file needs
    from matplotlib.figure import Figure  # noqa: PLC0415

    sparsity = [row.sparsity for row in rows]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(sparsity, [row.test_accuracy for row in rows], "o-", label="test")
    axes.plot(sparsity, [row.validation_accuracy for row in rows], "s--", label="validation")
    axes.plot(
        sparsity, [row.validation_before for row in rows], "x:", label="validation, not fine-tuned"
    )
    axes.set_xlabel("weights taken out, in %")
    axes.set_ylabel("accuracy in %")
    axes.set_title(f"{spec.granularity}, {spec.rounds} rounds of {spec.epochs} epochs")
    axes.grid(alpha=0.3)
    axes.legend()
    # ids that do not change from run to run, and no date
    with mpl.rc_context({"svg.hashsalt": "rounds"}):
        figure.savefig(folder / "rounds.svg", metadata={"Date": None, "Creator": None})
