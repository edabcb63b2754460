"""Stage `package`: packs all that a board needs into one archive, the same on every machine."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.inputs import evaluation_inputs
from pipeline.driver.board.packing import storage_of
from pipeline.driver.document import with_bitfile
from pipeline.engines import BITFILE, HWH
from pipeline.errors import PipelineError
from pipeline.hardware import graph as hardware
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.post import classes
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.packaging import archive, bitfile
from pipeline.packaging.notebook import notebook
from pipeline.packaging.render import render
from pipeline.rtl.design import load_design
from pipeline.rtl.shell.hwh import hwh
from pipeline.tools.files import digest_of

COPIED = ("driver.py", "golden", "c")
"""What comes from the driver stage as it is."""


def run(job: Job) -> Metrics:
    """Writes <unit>.tar, and reads it again as whoever receives it does.

    The bitfile is that of the stage implement, or a simulated one if the engine makes none.
    """
    graph = hardware.load(job.inputs["streamline"])
    document = json.loads((job.inputs["driver"] / "settings.json").read_text())
    files = dict(_copied(job.inputs["driver"]))
    progress("bitfile", 0.1)
    part, clock = document["part"], document["clock_mhz"]
    if "implement" in job.inputs:
        files |= {name: (job.inputs["implement"] / name).read_bytes() for name in (BITFILE, HWH)}
    else:
        files[BITFILE] = bitfile.simulated(part, _payload(job.inputs["rtl"]))
        files[HWH] = hwh(part, document["family"], clock, document["port_bits"]).encode()
    kind = bitfile.kind(files[BITFILE], part)
    sha256 = hashlib.sha256(files[BITFILE]).hexdigest()
    settings = with_bitfile(document, BITFILE, HWH, sha256, kind)
    if job.spec("package.extra", str) == "testset":
        progress("test set", 0.3)
        found, figures = _test_set(job, graph)
        files |= found
        settings["predicted"]["figures"] |= figures
    files["settings.json"] = (json.dumps(settings, indent=1) + "\n").encode()
    files["notebook.ipynb"] = notebook(graph.name, settings["board"], graph.input.shape).encode()
    files["README.txt"] = render(
        "README.txt",
        network=graph.name,
        board=settings["board"],
        part=part,
        clock_mhz=f"{clock:g}",
        bitfile=kind,
        shell=settings["shell"],
        testset="testset/images.npy" in files,
        figures=settings["predicted"]["figures"],
    ).encode()
    fields = {name: settings[name] for name in ("unit", "network", "board", "part", "digest")}
    files[archive.MANIFEST] = archive.manifest_text(files, _provenance(job), bitfile=kind, **fields)
    progress("archive", 0.8)
    path = job.folder / f"{job.unit}.tar"
    archive.write(path, files)
    archive.read(path)
    return {
        "bitfile": Figure(kind, "", kind),
        "files": Figure(len(files), "", "measured"),
        "size": Figure(round(path.stat().st_size / (1 << 20), 2), "MiB", "measured"),
    }


def _copied(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for name in COPIED:
        paths = (folder / name).rglob("*") if (folder / name).is_dir() else [folder / name]
        found += [
            (path.relative_to(folder).as_posix(), path.read_bytes())
            for path in paths
            if path.is_file()
        ]
    return found


def _payload(rtl: Path) -> bytes:
    """The sources and memories of the design with its shell, as an archive."""
    design = load_design(rtl)
    assert design.shell is not None, "the rtl stage writes a shell around every design"
    names = {*design.shell.sources, *design.memories, design.waivers, "design.json"}
    target = io.BytesIO()
    archive.write(target, {name: (rtl / name).read_bytes() for name in names})
    return target.getvalue()


def _test_set(job: Job, graph: HardwareGraph) -> tuple[dict[str, bytes], dict[str, dict[str, Any]]]:
    """The files of the test set, and how many of its images the integer reference gets right."""
    if "data" not in job.inputs:
        raise PipelineError(
            "with=testset: this network has no data set, only random inputs; dataset= names one"
        )
    data = evaluation_inputs(job, graph.input)
    assert data.labels is not None, "a data set has labels"
    shaped = data.images.reshape(-1, *graph.source.shape)
    last = graph.sink.id
    outputs = [reference.run(graph, x, [last])[last] for x in reference.batches(graph, shaped)]
    right = np.count_nonzero(classes(graph.post, np.concatenate(outputs)) == data.labels)
    share = float(100 * right / len(data.labels))
    files = {
        "testset/images.npy": _npy(data.images.astype(storage_of(graph.input.dtype))),
        "testset/labels.npy": _npy(data.labels.astype(np.int64)),
    }
    return files, {"testset_accuracy": {"value": share, "unit": "%", "kind": "measured"}}


def _npy(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


def _provenance(job: Job) -> dict[str, str]:
    """By stage, the digest of the files that it gave, as its manifest lists them."""
    found = {}
    for stage, folder in job.inputs.items():
        manifest = json.loads((folder / archive.MANIFEST).read_text())
        found[stage] = digest_of(manifest["outputs"])
    return found
