"""A small package, as it goes to a board."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from deploy.install import Package

DIGEST = "0123456789abcdef0123456789abcdef"


def make_package(folder: Path, **files: bytes) -> Package:
    """A package with these files beside a driver."""
    content = {"driver.py": b"print('{}')\n", "golden/inputs.npy": bytes(3000), **files}
    tar = folder / f"{hashlib.sha256(repr(content).encode()).hexdigest()[:8]}.tar"
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    sums = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in content.items()
    )
    return Package(tar, DIGEST, sums.encode(), sum(map(len, content.values())))
