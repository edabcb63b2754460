"""Takes a package for a board: found whole, and of this unit, before anything of it is used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from deploy.install import Package
from pipeline.errors import PipelineError
from pipeline.packaging import archive


def open_package(path: Path, unit: str) -> tuple[Package, dict[str, Any]]:
    """The package, and its settings.json.

    Raises PipelineError that names what is wrong with the archive: it may be a stranger's.
    """
    found = archive.read(path)
    if found.manifest.unit != unit:
        raise PipelineError(f"{path}: a package of {found.manifest.unit}, not of {unit}")
    sums = {name: entry.sha256 for name, entry in found.manifest.files.items()}
    sums[archive.MANIFEST] = hashlib.sha256(found.read(archive.MANIFEST)).hexdigest()
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    size = sum(length for _, length in found.places.values())
    package = Package(path, found.manifest.digest, lines.encode(), size)
    document: dict[str, Any] = json.loads(found.read("settings.json"))
    return package, document
