"""What the folding predicted of each layer beside what was found, and factors learned from that.

`costs=` names a file of such factors. They scale the LUTs that later foldings count for a layer.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.engines.rows import SHELL
from pipeline.engines.space import Space
from pipeline.engines.utilisation import Utilisation
from pipeline.errors import PipelineError
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.tools.files import content

NAME = "prediction.csv"
HEADER = ("layer", "kind", "resource", "predicted", "found", "ratio")
LEAST, MOST = 0.25, 4.0
"""A factor is kept within these: beyond them something else is wrong."""
_MOST_BYTES = 4 << 20
_RESOURCES = ("lut", "bram36")


def write(
    path: Path,
    graph: HardwareGraph,
    folding: Folding,
    space: Space,
    shell: Utilisation,
    found: Mapping[str, Utilisation],
) -> None:
    """Writes the table: LUTs and block RAM of each layer and of the shell, as predicted and found.

    space: the engine's, in which the folding was chosen. found: the resources by layer.
    """
    kinds = {layer.id: layer.kind for layer in graph.layers}
    predicted = {
        layer: {"lut": float(option.lut), "bram36": option.bram18 / 2}
        for layer, options in zip(space.layers, space.options, strict=True)
        for option in options
        if option.fold == folding[layer]  # a user's own folding may have another
    }
    predicted[SHELL] = {"lut": float(shell.lut), "bram36": shell.bram36}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for layer, numbers in predicted.items():
            for resource, number in numbers.items():
                real = getattr(found[layer], resource)
                ratio = f"{real / number:.3f}" if number else ""
                kind = kinds.get(layer, SHELL)
                writer.writerow([layer, kind, resource, f"{number:g}", f"{real:g}", ratio])


Factor = Annotated[float, Field(ge=LEAST, le=MOST)]
Kind = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


class Calibration(BaseModel):
    """A file of factors: by layer kind, how many LUTs were found for each that was predicted.

    engine: of the builds that it was learned from; another engine's folding refuses it. layers: how
    many layers of each kind were seen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Literal[1]
    engine: str = Field(max_length=40)
    board: str = Field(max_length=80)
    lut: dict[Kind, Factor] = Field(max_length=100)
    layers: dict[Kind, int] = Field(max_length=100)

    def text(self) -> str:
        return json.dumps(self.model_dump(), indent=1, sort_keys=True) + "\n"


def learn(tables: Iterable[Path], engine: str, board: str) -> Calibration:
    """The factors of several builds' tables: of each kind, the sum found over the sum predicted.

    The result depends on nothing but the tables' content. Raises PipelineError if a table is not
    one, or if none has a layer.
    """
    predicted: dict[str, float] = {}
    found: dict[str, float] = {}
    layers: dict[str, int] = {}
    for path in tables:
        for kind, one, other in _rows(path):
            predicted[kind] = predicted.get(kind, 0.0) + one
            found[kind] = found.get(kind, 0.0) + other
            layers[kind] = layers.get(kind, 0) + 1
    factors = {
        kind: round(min(max(found[kind] / number, LEAST), MOST), 4)
        for kind, number in sorted(predicted.items())
        if number
    }
    if not factors:
        raise PipelineError(f"calibrate: no {NAME} with a layer; build something for {board} first")
    return Calibration(
        schema_version=1,
        engine=engine,
        board=board,
        lut=factors,
        layers={kind: layers[kind] for kind in factors},
    )


def _rows(path: Path) -> list[tuple[str, float, float]]:
    """Kind, predicted and found LUTs of each row."""
    data = content(path, _MOST_BYTES)
    if data is None:
        raise PipelineError(f"{path}: no such table; the stages synth and implement write it")
    table = list(csv.reader(data.decode("utf-8", "replace").splitlines()))
    if not table or tuple(table[0]) != HEADER:
        raise PipelineError(f"{path}: not a table of predictions: its first line is another")
    found = []
    for number, row in enumerate(table[1:], 2):
        numbers = [_number(text) for text in row[3:5]]
        if len(row) != len(HEADER) or None in numbers or row[2] not in _RESOURCES:
            raise PipelineError(f"{path}: line {number}: not a row of the table of predictions")
        if row[2] == "lut" and re.fullmatch(r"[a-z_]{1,40}", row[1]):
            found.append((row[1], float(row[3]), float(row[4])))
    return found


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def load(path: Path, engine: str) -> Calibration:
    """The factors in a user's file. Raises PipelineError if it is none, or another engine's."""
    data = content(path, _MOST_BYTES)
    if data is None:
        raise PipelineError(f"costs={path}: no such file, or larger than {_MOST_BYTES >> 20} MiB")
    try:
        found = Calibration.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100] or "whole file"
        raise PipelineError(
            f"costs={path}: {where}: {first['msg']}; ./doit calibrate writes such a file"
        ) from None
    if found.engine != engine:
        raise PipelineError(
            f"costs={path}: learned from engine {found.engine}, and this build's is {engine}; "
            "calibrate with this engine's builds"
        )
    return found


def scaled(space: Space, graph: HardwareGraph, factors: Mapping[str, float]) -> Space:
    """The space with the LUTs of every fold scaled by the factor of its layer's kind."""
    kinds = {layer.id: layer.kind for layer in graph.layers}
    options = tuple(
        tuple(
            replace(option, lut=math.ceil(option.lut * factors.get(kinds[layer], 1.0)))
            for option in of_layer
        )
        for layer, of_layer in zip(space.layers, space.options, strict=True)
    )
    return replace(space, options=options)
