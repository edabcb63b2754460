"""What a published stage folder says of itself, and how a folder gets published.

`manifest.json` holds what is a function of content: digests of outputs, metrics, the job's digest.
`run.json` holds what is not: times, host, versions, sizes and modification times of the outputs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.job import Metrics
from pipeline.tools.files import digest_of, sha256, write_atomically
from pipeline.tools.process import inside_quotes

MANIFEST, RUN, DIGEST = "manifest.json", "run.json", ".job-digest"
BYPRODUCTS = ("logs", "tensorboard")
"""Folders of a stage that hold times and paths: kept, but never hashed and never an input."""

_METRICS = TypeAdapter(Metrics)


def outputs(folder: Path) -> Iterator[Path]:
    """Files of a stage folder that count as outputs, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        first = path.relative_to(folder).parts[0]
        # names with a dot in front are of writes that were cut
        if first in (*BYPRODUCTS, MANIFEST, RUN) or first.startswith(".") or not path.is_file():
            continue
        yield path


def manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a published stage folder; None if there is none that can be read."""
    return _read(folder / MANIFEST, {"digest", "outputs", "metrics"})


def run_record(folder: Path) -> dict[str, Any] | None:
    return _read(folder / RUN, {"outputs"})


def basis(
    stage: str, version: int, specs: Mapping[str, Any], inputs: Mapping[str, Path]
) -> dict[str, Any] | None:
    """All that decides a stage's result, as its manifest keeps it; None without all its inputs.

    inputs: published folder by stage. Of an input its outputs alone count: one that was built
    again to the same files rebuilds nothing.
    """
    manifests = {name: manifest(folder) for name, folder in inputs.items()}
    if any(document is None for document in manifests.values()):
        return None
    return {
        "stage": stage,
        "version": version,
        "specs": dict(specs),
        "inputs": {name: doc["outputs"] for name, doc in manifests.items() if doc},
    }


def metrics(folder: Path) -> Metrics:
    """Figures of a published stage; empty if it is not published."""
    document = manifest(folder)
    return _METRICS.validate_python(document["metrics"]) if document else {}


def _read(path: Path, keys: set[str]) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None  # ValueError: not JSON, or not even text
    return document if isinstance(document, dict) and keys <= document.keys() else None


def changed_output(folder: Path) -> str | None:
    """The first output that is missing or not as recorded (size, mtime); None if none is."""
    document, record = manifest(folder), run_record(folder)
    if document is None or record is None:
        return MANIFEST
    for name in document["outputs"]:
        try:
            stat = (folder / name).stat()
        except FileNotFoundError:
            return f"{name} is missing"
        if [stat.st_size, stat.st_mtime_ns] != record["outputs"].get(name):
            return f"{name} was changed"
    return None


def damaged_outputs(folder: Path) -> list[str]:
    """Outputs whose content is not what the manifest's digests say (reads everything)."""
    document = manifest(folder)
    if document is None:
        return [MANIFEST]
    return [
        name
        for name, expected in document["outputs"].items()
        if not (folder / name).is_file() or sha256(folder / name) != expected
    ]


def seal(
    folder: Path, unit: str, decided_by: dict[str, Any], figures: Metrics, record: dict[str, Any]
) -> None:
    """Writes run.json, then manifest.json: from here on the folder is complete.

    decided_by: the job's `basis`; a later `why` compares it field by field.
    """
    files = list(outputs(folder))
    stats = {str(path.relative_to(folder)): path.stat() for path in files}
    record = {
        **record,
        "outputs": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()},
    }
    write_atomically(folder / RUN, json.dumps(record, indent=1) + "\n")
    document = {
        "unit": unit,
        **decided_by,
        "digest": digest_of(decided_by),
        "outputs": {str(path.relative_to(folder)): sha256(path) for path in files},
        "metrics": _METRICS.dump_python(figures, mode="json"),
    }
    write_atomically(folder / MANIFEST, json.dumps(document, indent=1) + "\n")


def partial_of(final: Path) -> Path:
    return final.with_name(f"{final.name}.partial")


def old_of(final: Path) -> Path:
    return final.with_name(f"{final.name}.old")


def publish(final: Path) -> None:
    """old -> .old, partial -> final, delete .old; `recover` finishes it if it is cut."""
    partial, old = partial_of(final), old_of(final)
    (partial / DIGEST).unlink(missing_ok=True)
    _move_scripts(partial, final)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _move_scripts(partial: Path, final: Path) -> None:
    """Makes the commands kept beside the logs name the folder that is about to be theirs."""
    for script in (partial / "logs").rglob("*"):
        if script.suffix in (".sh", ".ys"):
            old, new = map(inside_quotes, (partial, final))
            write_atomically(script, script.read_text().replace(old, new))


def cut(final: Path) -> bool:
    """Whether there is something for `recover` to finish."""
    return (partial_of(final) / MANIFEST).exists() or old_of(final).exists()


def recover(final: Path) -> None:
    """Finishes a publish that was cut. Call it with the stage's lock held."""
    partial, old = partial_of(final), old_of(final)
    if (partial / MANIFEST).exists():
        shutil.rmtree(old) if final.exists() and old.exists() else None
        publish(final)
    elif old.exists():
        if final.exists():
            shutil.rmtree(old)
        else:
            old.rename(final)


def open_partial(final: Path, digest: str, resumes: bool) -> Path:
    """The folder to work in: a new one, or what a cut run of the same job left if it `resumes`."""
    partial = partial_of(final)
    mark = partial / DIGEST
    if not (resumes and mark.is_file() and mark.read_text() == digest):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        mark.write_text(digest)
    return partial
