"""Stages `evaluate-<level>`: the accuracy on the test set, at one level of the chain.

The levels are brevitas (the trained module), qonnx (the exported file), reference (the integer
hardware graph) and rtl (the simulated accelerator).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.choice import in_proportion
from pipeline.data.inputs import Inputs, evaluation_inputs, planes
from pipeline.errors import PipelineError
from pipeline.hardware import graph as hardware
from pipeline.hardware import post, reference
from pipeline.hardware.layers import LabelSelect
from pipeline.job import Figure, Job, Kind, Metrics, progress
from specs.evaluation import PREFIX
from specs.input import InputSpec

TOP = 5
_BLOCK = 500
"""Inputs computed at a time."""
_CYCLES = 2_000_000
"""A simulation shows its progress about every so many cycles."""

Found = tuple[np.ndarray, np.ndarray | None]
"""Classes int64 [N], and scores [N, classes] if the level gives them."""


def run(job: Job) -> Metrics:
    """Writes predictions.npy (int64 [N]) and confusion.csv (one row for each true class).

    With `images=` there is also indices.npy: which test images these are. They are drawn so that
    each class has its share, since the first images of sorted data are of one class.

    Raises PipelineError if the network has no data set.
    """
    level = job.stage.removeprefix(PREFIX)
    contract = job.spec("network.input", InputSpec)
    most: int | None = job.spec("evaluation.images", int | None)  # type: ignore[arg-type]
    data = evaluation_inputs(job, contract)
    if data.labels is None:
        raise PipelineError(
            "evaluate: without a data set there are no labels; name one with dataset="
        )
    part = data
    if most is not None:
        chosen = in_proportion(data.labels, most)
        np.save(job.folder / "indices.npy", chosen)
        part = Inputs(data.images[chosen], data.labels[chosen])
    assert part.labels is not None
    classes, scores = _LEVELS[level](job, part.images, contract)
    right = classes == part.labels
    kind: Kind = "simulated" if level == "rtl" else "measured"
    figures = {
        "level": Figure(level, "", kind),
        "top1": Figure(100 * float(right.mean()), "%", kind),
        "right": Figure(f"{int(right.sum()):,} of {len(right):,}", "images", kind),
    }
    if scores is not None and scores.shape[1] > TOP:
        among = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        share = float((among == part.labels[:, None]).any(axis=1).mean())
        figures["top5"] = Figure(100 * share, "%", kind)
    np.save(job.folder / "predictions.npy", classes)
    _write_confusion(job.folder / "confusion.csv", part.labels, classes)
    return figures


def _brevitas(job: Job, images: np.ndarray, contract: InputSpec) -> Found:
    import torch  # noqa: PLC0415 - seconds of imports, which the hardware levels need not

    from pipeline.models import trained  # noqa: PLC0415

    torch.set_num_threads(1)  # float sums in the same order on every machine of a kind
    model = trained(job)

    def scores(part: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found: np.ndarray = model(torch.from_numpy(planes(part, contract))).numpy()
        return found

    return _by_scores(images, scores)


def _qonnx(job: Job, images: np.ndarray, contract: InputSpec) -> Found:
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415

    from pipeline.export import MODEL  # noqa: PLC0415
    from pipeline.export.verify import execute  # noqa: PLC0415

    graph = ModelWrapper(str(job.inputs["export"] / MODEL))
    return _by_scores(images, lambda part: execute(graph, planes(part, contract), _BLOCK))


def _reference(job: Job, images: np.ndarray, contract: InputSpec) -> Found:
    graph = hardware.load(job.inputs["streamline"])
    last = graph.layers[-1]
    if not isinstance(last, LabelSelect):
        return _by_scores(
            images,
            lambda part: post.scores(graph.post, _run(graph, part, [graph.sink.id])[0]),
        )
    blocks = [_run(graph, part, [last.input, last.output]) for part in _parts(images)]
    accumulators, labels = map(np.concatenate, zip(*blocks, strict=True))
    accumulators = accumulators.reshape(len(images), -1)
    if last.labels is not None:
        accumulators = accumulators[:, np.argsort(last.labels)]
    return labels.reshape(-1).astype(np.int64), accumulators


def _run(graph: Any, part: np.ndarray, wanted: list[str]) -> list[np.ndarray]:
    blocks = [reference.run(graph, few, wanted) for few in reference.batches(graph, part)]
    return [np.concatenate([block[name] for block in blocks]) for name in wanted]


def _rtl(job: Job, images: np.ndarray, contract: InputSpec) -> Found:
    from pipeline.simulation.model import build_model  # noqa: PLC0415

    graph = hardware.load(job.inputs["streamline"])
    outputs = []
    with job.scratch() as work:
        progress("compiling the model")
        model = build_model(job.inputs["rtl"], work, job.cache)
        step = max(1, _CYCLES // max(model.design.cycles.values()))
        for start in range(0, len(images), step):
            progress(f"image {start:,} of {len(images):,}", start / len(images))
            outputs.append(model.run(images[start : start + step]).output)
    output = np.concatenate(outputs)
    scores = None if graph.post.output == "label" else post.scores(graph.post, output)
    return post.classes(graph.post, output), scores


_LEVELS: dict[str, Callable[[Job, np.ndarray, InputSpec], Found]] = {
    "brevitas": _brevitas,
    "qonnx": _qonnx,
    "reference": _reference,
    "rtl": _rtl,
}


def _by_scores(images: np.ndarray, scores: Callable[[np.ndarray], np.ndarray]) -> Found:
    parts = []
    for number, part in enumerate(_parts(images)):
        progress(f"image {number * _BLOCK:,} of {len(images):,}", number * _BLOCK / len(images))
        parts.append(scores(part).reshape(len(part), -1))
    found = np.concatenate(parts)
    return found.argmax(axis=1).astype(np.int64), found


def _parts(images: np.ndarray) -> list[np.ndarray]:
    return [images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK)]


def _write_confusion(path: Path, labels: np.ndarray, classes: np.ndarray) -> None:
    """Counts the images of each true class (row) by the class that the network gives (column)."""
    count = int(max(labels.max(), classes.max())) + 1
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (labels, classes), 1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["true", *range(count)])
        writer.writerows([label, *row] for label, row in enumerate(table.tolist()))
