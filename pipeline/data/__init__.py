"""Stage `data`: a data set, by name, as one file of arrays that every other stage reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.data.arrays import FILE, DataSet
from pipeline.data.imagefolder import fingerprint
from pipeline.data.sets import load
from pipeline.errors import PipelineError
from pipeline.job import Figure, Job, Metrics

__all__ = ["FILE", "DataSet", "run"]


def run(job: Job) -> Metrics:
    """Writes data.npz; raises PipelineError if the data set is not to be had or is damaged."""
    data = load(job.spec("dataset", str), job.settings)
    files: Any = job.spec("data_files", Any)
    if files is not None and files != fingerprint(Path(job.settings["data_root"])):
        raise PipelineError(
            f"data_root = {job.settings['data_root']}: its files changed meanwhile; run it again"
        )
    data.write(job.folder / FILE)
    height, width, channels = data.train_images.shape[1:]
    return {
        "train_images": Figure(len(data.train_images), "images", "measured"),
        "test_images": Figure(len(data.test_images), "images", "measured"),
        "classes": Figure(data.classes, "", "measured"),
        "image": Figure(f"{height}x{width}x{channels}", "", "measured"),
        "content": Figure(data.note, "", "measured"),
    }
