"""Runs one sensitivity job: the accuracy when one layer alone loses something, for each layer."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import torch

from pipeline.data import FILE, DataSet
from pipeline.data.choice import in_proportion
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.models import build_of, load_weights, mask_parts, parts
from pipeline.planning.places import base, sites_of
from pipeline.planning.plots import draw_sensitivity
from pipeline.planning.sites import counts, write_table
from pipeline.pruning.blocks import Target, targets
from pipeline.pruning.choice import choose
from pipeline.training.loop import Labelled, validate
from pipeline.training.stage import prepare, settle
from pipeline.training.team import ALONE, check_device
from specs.input import InputSpec
from specs.plan import Planned
from specs.pruning import PruningSpec
from specs.training import TrainingSpec

TABLE = "sensitivity.csv"
_ROWS = "rows.partial.csv"

Rows = list[tuple[str, float, float]]
"""Layer, sparsity, accuracy in per cent."""


def run(job: Job) -> Metrics:
    """Writes sensitivity.csv and sensitivity.svg: accuracy against sparsity, layer by layer.

    It is measured on the validation images, without fine-tuning; `images=` takes only some of them.
    What an interrupted run of the same job measured is not measured again.
    """
    contract = job.spec("network.input", InputSpec)
    training = job.spec("network.training", TrainingSpec)
    steps = job.spec("plan.steps", int)
    most: int | None = job.spec("evaluation.images", int | None)  # type: ignore[arg-type]
    check_device(training)
    settle(training)
    data = DataSet.read(job.inputs["data"] / FILE)
    model = build_of(job)
    load_weights(model, job.inputs["train"])
    found = parts(model, contract)
    pruning = base(
        job.spec("network.pruning", PruningSpec | None),  # type: ignore[arg-type]
        job.spec("plan.granularity", Planned),  # type: ignore[arg-type]
    )
    chosen = targets(pruning, found)
    sites = sites_of(pruning, chosen)
    team = replace(ALONE, device=torch.device(training.device))
    material = prepare(job, model, data, team)
    held_out = material.held_out
    if most is not None:
        few = in_proportion(held_out.labels.cpu().numpy(), most)
        held_out = Labelled(held_out.images[few], held_out.labels[few])
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    rows = _Rows(job.folder / _ROWS)
    wanted = [(name, kept) for name, site in sites.items() for kept in counts(site, steps)]
    whole = validate(material.learner, held_out, team).top1
    for number, (name, kept) in enumerate(wanted):
        target, share = chosen[name], 1 - kept / chosen[name].blocks
        if rows.at(name, share) is not None:
            continue
        progress(f"{name} without {100 * share:.0f} %", number / len(wanted))
        if share == 0:
            rows.add(name, share, whole)
            continue
        mask_parts(found, choose(pruning, {name: _losing(target, share)}, {}))
        rows.add(name, share, validate(material.learner, held_out, team).top1)
        mask_parts(found, {target.part.id: torch.ones(target.part.columns, dtype=torch.bool)})
        model.load_state_dict(weights)
    table = [(name, share, top1) for name, share, top1 in rows.all if name in sites]
    write_table(job.folder / TABLE, table)
    draw_sensitivity(job.folder / "sensitivity.svg", table, len(held_out.labels))
    (job.folder / _ROWS).unlink(missing_ok=True)
    return {
        "layers": Figure(len(sites), "", "measured"),
        "points": Figure(len(table), "", "measured"),
        "images": Figure(len(held_out.labels), "images", "measured"),
        "accuracy": Figure(whole, "%", "measured"),
        "granularity": Figure(pruning.granularity, "", "measured"),
    }


def _losing(target: Target, share: float) -> Target:
    return replace(target, share=share)


class _Rows:
    """The rows measured so far, which are also in a file, so that nothing is measured twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.all: Rows = []
        if path.is_file():
            # the last line of an interrupted run may be cut: it is written anew
            whole, end, _ = path.read_text().rpartition("\n")
            path.write_text(whole + end)
            self.all = [(a, float(b), float(c)) for a, b, c in csv.reader(whole.splitlines())]

    def at(self, name: str, share: float) -> float | None:
        return next((c for a, b, c in self.all if a == name and abs(b - share) < 1e-9), None)

    def add(self, name: str, share: float, top1: float) -> None:
        self.all.append((name, share, top1))
        with self._path.open("a") as file:
            file.write(f"{name},{share!r},{top1!r}\n")
