"""Stage `data`: writes the data set as one file of arrays, which all other stages read."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pipeline.data.arrays import FILE, DataSet
from pipeline.data.sets import fingerprint, load
from pipeline.errors import PipelineError
from pipeline.job import Figure, Job, Metrics
from specs.data import DataSpec, Resize
from specs.paths import shown

__all__ = ["FILE", "SKIPPED", "DataSet", "run"]

SKIPPED = "skipped.csv"


def run(job: Job) -> Metrics:
    """Writes data.npz, and skipped.csv if the spec says to skip broken files.

    Raises PipelineError if the data set is damaged or cannot be found or downloaded.
    """
    name, spec = job.spec("dataset", str), job.spec("network.data", DataSpec)
    size: Any = job.spec("data_size", Any)
    data = load(name, job.settings, spec, size and Resize.model_validate(size))
    files: Any = job.spec("data_files", Any)
    if files is not None and files != fingerprint(name, Path(job.settings["data_root"])):
        raise PipelineError(
            f"data_root = {job.settings['data_root']}: its files changed meanwhile; run it again"
        )
    data.write(job.folder / FILE)
    if spec.broken == "skip":
        with (job.folder / SKIPPED).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["file", "reason"])
            rows.writerows([shown(broken.file), broken.reason] for broken in data.skipped)
    size = "x".join(map(str, data.train_images.shape[1:]))
    return {
        "train_images": Figure(len(data.train_images), "images", "measured"),
        "test_images": Figure(len(data.test_images), "images", "measured"),
        "classes": Figure(data.classes, "", "measured"),
        "image": Figure(size, "", "measured"),
        "content": Figure(data.note, "", "measured"),
    }
