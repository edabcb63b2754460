"""The documents in a published stage folder, and whether its files agree with them.

`manifest.json` has what depends on content only: digests of outputs, metrics, the job's digest.
`run.json` has the rest: times, host, versions, sizes and modification times of the outputs.
A folder counts as not built if a document was changed or does not agree with the folder's files.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.flow.documents import (
    MANIFEST,
    RUN,
    Manifest,
    RunRecord,
    is_output,
    read,
    sealed,
)
from pipeline.job import Metrics
from pipeline.tools.files import digest_of, sha256, sync, write_atomically

_METRICS = TypeAdapter(Metrics)


def outputs(folder: Path) -> Iterator[Path]:
    """The files of a stage folder that count as outputs, in a fixed order."""
    for name, status in _entries(folder):
        if stat.S_ISREG(status.st_mode):
            yield folder / name


def _entries(folder: Path) -> list[tuple[str, os.stat_result]]:
    """All entries of a stage folder that count as outputs, except folders. Links stay links."""
    found, waiting = [], [""]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(folder / place) as entries:
                inside = [
                    (place + entry.name, entry.stat(follow_symlinks=False)) for entry in entries
                ]
        except OSError:
            continue  # not a folder, or it has just been removed
        for name, status in inside:
            if not is_output(name):
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.append(f"{name}/")
            else:
                found.append((name, status))
    return sorted(found)


def manifest(folder: Path) -> Manifest | None:
    """The manifest of a published stage folder; None if there is none, or it is not valid."""
    return read(Manifest, folder / MANIFEST)


def run_record(folder: Path) -> RunRecord | None:
    return read(RunRecord, folder / RUN)


def basis(
    stage: str, version: int, specs: Mapping[str, Any], inputs: Mapping[str, Path]
) -> dict[str, Any] | None:
    """All that decides a stage's result, as its manifest keeps it; None if an input is missing.

    inputs: published folder by stage. Only the outputs of an input count: if it is built again and
    its files are the same, nothing that uses it is rebuilt.
    """
    manifests = {name: manifest(folder) for name, folder in inputs.items()}
    if any(document is None for document in manifests.values()):
        return None
    return {
        "stage": stage,
        "version": version,
        "specs": dict(specs),
        "inputs": {name: doc.outputs for name, doc in manifests.items() if doc},
    }


def metrics(folder: Path) -> Metrics:
    """The figures of a published stage; empty if it is not published."""
    document = manifest(folder)
    return document.metrics if document else {}


def changed_output(folder: Path, declared: Collection[str] = ()) -> str | None:
    """The first output that is missing or differs from its recorded size or mtime; None: all agree.

    declared: names that must be among the outputs. Other files in the folder, such as a user's
    notes, are no reason to build again; `damaged_outputs` names them.
    """
    document, record = manifest(folder), run_record(folder)
    if document is None or record is None:
        return MANIFEST if document is None else RUN
    found = dict(_entries(folder))
    for name in (*document.outputs, *declared):
        if name not in found or not stat.S_ISREG(found[name].st_mode):
            return f"{name} is missing"
        status = found[name]
        if (status.st_size, status.st_mtime_ns) != record.outputs.get(name):
            return f"{name} was changed"
    return None


def damaged_outputs(folder: Path, declared: Collection[str] = ()) -> Iterator[str]:
    """All that is not as the stage left it, by the manifest's digests. It reads every file."""
    document = manifest(folder)
    if document is None:
        yield f"{folder / MANIFEST}: not as it was written"
        return
    found = dict(_entries(folder))
    for name in {**document.outputs, **dict.fromkeys(declared)}:
        if name not in found or not stat.S_ISREG(found[name].st_mode):
            yield f"{folder / name}: missing"
        elif document.outputs.get(name) != sha256(folder / name):
            yield f"{folder / name}: content differs from the manifest"
    for name in found:
        if name not in document.outputs:
            yield f"{folder / name}: not of this stage"


def seal(
    folder: Path,
    unit: str,
    decided_by: dict[str, Any],
    figures: Metrics,
    record: RunRecord,
    declared: Collection[str] = (),
) -> None:
    """Writes run.json, then manifest.json, which makes the folder complete.

    All other files are on the disk before the manifest is. decided_by: the job's `basis`; a later
    `why` compares it field by field. declared: the outputs that the stage must leave.
    """
    entries = dict(_entries(folder))
    if odd := [name for name, status in entries.items() if not stat.S_ISREG(status.st_mode)]:
        raise RuntimeError(f"stage {decided_by['stage']} leaves what is no file: {odd}")
    if lacking := [name for name in declared if name not in entries]:
        raise RuntimeError(f"stage {decided_by['stage']} declares and does not leave: {lacking}")
    for name in entries:
        sync(folder / name)
    for place in {parent for name in entries for parent in (folder / name).parents}:
        if place.is_relative_to(folder) and place != folder:
            sync(place)
    stats = {name: (status.st_size, status.st_mtime_ns) for name, status in entries.items()}
    text = record.model_copy(update={"outputs": stats}).model_dump_json(indent=1)
    write_atomically(folder / RUN, text + "\n")
    document = {
        "unit": unit,
        **decided_by,
        "digest": digest_of(decided_by),
        "outputs": {name: sha256(folder / name) for name in entries},
        "metrics": _METRICS.dump_python(figures, mode="json"),
    }
    write_atomically(folder / MANIFEST, json.dumps(sealed(document), indent=1) + "\n")
    sync(folder)
