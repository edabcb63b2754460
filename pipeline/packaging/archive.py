"""The archive of a package: written the same on every machine, and read as a hostile file.

It is an uncompressed tar of plain files, since compressors differ between machines. Nothing of an
archive is used before all of it was found to be as its manifest says.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import PipelineError
from specs.paths import shown

MANIFEST = "manifest.json"
REQUIRED = (
    *("driver.py", "settings.json", "accelerator.bit", "accelerator.hwh"),
    *("golden/inputs.npy", "golden/outputs.npy", "golden/signatures.json"),
)
"""The files without which a package is none."""
MOST_BYTES = 4 << 30
"""The largest archive that is read: a test set of ImageNet's size at 32 x 32 pixels is 150 MB."""
MOST_FILES = 1000
_MOST_DOCUMENT = 1 << 20
"""The largest manifest.json."""
_BLOCK = 512
_PIECE = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*(/[A-Za-z0-9_][A-Za-z0-9_.@-]*)*", re.ASCII)
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a link",
    tarfile.DIRTYPE: "a folder",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileEntry(_Document):
    """What the manifest says of a file."""

    sha256: Sha256
    size: int = Field(ge=0)


class PackageManifest(_Document):
    """manifest.json. provenance: by stage, the digest of the files that it gave."""

    schema_version: Literal[1]
    unit: str = Field(max_length=200)
    network: str = Field(max_length=200)
    board: str = Field(max_length=200)
    part: str = Field(max_length=200)
    digest: str = Field(pattern=r"^[0-9a-f]{32}$")
    bitfile: Literal["simulated", "implemented"]
    files: dict[str, FileEntry] = Field(max_length=MOST_FILES)
    provenance: dict[str, Sha256] = Field(max_length=MOST_FILES)


@dataclass(frozen=True)
class Package:
    """An archive that was read whole and is as its manifest says."""

    path: Path
    manifest: PackageManifest
    places: Mapping[str, tuple[int, int]]
    """By name, where the file's bytes begin in the archive, and how many they are."""

    def read(self, name: str) -> bytes:
        start, size = self.places[name]
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(size)

    def extract(self, folder: Path) -> None:
        """Writes the files into a folder that must not exist yet."""
        folder.mkdir(parents=True)
        for name in self.places:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(name))


def write(target: Path | BinaryIO, files: Mapping[str, bytes]) -> None:
    """Writes an archive of these files by name: with the same files always the same bytes."""
    if isinstance(target, Path):
        with target.open("wb") as file:
            write(file, files)
        return
    with tarfile.open(fileobj=target, mode="w:", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)  # by default of user 0, of 1970, and readable by all
            entry.size = len(files[name])
            tar.addfile(entry, io.BytesIO(files[name]))


def manifest_text(
    files: Mapping[str, bytes], provenance: Mapping[str, str], **fields: str
) -> bytes:
    """manifest.json for these files."""
    document = PackageManifest(
        schema_version=1,
        files={
            name: FileEntry(sha256=hashlib.sha256(files[name]).hexdigest(), size=len(files[name]))
            for name in sorted(files)
        },
        provenance=dict(sorted(provenance.items())),
        **fields,  # type: ignore[arg-type]
    )
    return (document.model_dump_json(indent=1) + "\n").encode()


def read(path: Path) -> Package:
    """The package in the archive `path`.

    Raises PipelineError that names what is wrong with it: a file that would land elsewhere, a link,
    a wrong checksum, a missing or an additional file, a size beyond the limits.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            if size > MOST_BYTES:
                raise _refused(path, f"{size:,} bytes; at most {MOST_BYTES:,} are read")
            places: dict[str, tuple[int, int]] = {}
            sums: dict[str, str] = {}
            for name, start, length in _entries(path, file, size):
                if name in places:
                    raise _refused(path, f"{shown(name)} is in it twice")
                if len(places) > MOST_FILES:
                    raise _refused(path, f"more than {MOST_FILES:,} files")
                places[name] = (start, length)
                sums[name] = _sum(file, start, length)
            manifest = _manifest(path, file, places)
    except OSError as error:
        raise PipelineError(f"{path}: cannot be read: {error.strerror}") from None
    _require_as_listed(path, manifest, places, sums)
    package = Package(path, manifest, places)
    _require_settings(package)
    return package


def _refused(path: Path, why: str) -> PipelineError:
    return PipelineError(f"{path}: not a package: {why}; build it again with ./doit package")


def _entries(path: Path, file: BinaryIO, size: int) -> Iterator[tuple[str, int, int]]:
    """Name, start and length of each file, by the headers alone. All else is refused."""
    at = 0
    while True:
        file.seek(at)
        header = file.read(_BLOCK)
        if header == bytes(_BLOCK):
            break
        if len(header) < _BLOCK:
            raise _refused(path, "it is cut off")
        try:
            entry = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            raise _refused(path, f"no valid tar header at byte {at:,}") from None
        if not _NAME.fullmatch(entry.name) or len(entry.name) > 200:
            raise _refused(
                path,
                f"the name {shown(entry.name[:200])} is not allowed: only letters, digits "
                "and _ . @ - in folders below its own",
            )
        if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            kind = _KINDS.get(entry.type, f"of type {entry.type!r}")
            raise _refused(path, f"{entry.name} is {kind}, and only plain files are allowed")
        start = at + _BLOCK
        if entry.size < 0 or start + entry.size > size:
            raise _refused(path, f"{entry.name} is cut off")
        yield entry.name, start, entry.size
        at = start + -(-entry.size // _BLOCK) * _BLOCK
    while piece := file.read(_PIECE):
        if piece.strip(b"\0"):
            raise _refused(path, "something follows its end")


def _sum(file: BinaryIO, start: int, length: int) -> str:
    total = hashlib.sha256()
    file.seek(start)
    while length:
        piece = file.read(min(_PIECE, length))
        if not piece:
            break  # it became shorter meanwhile; then the sum is wrong
        total.update(piece)
        length -= len(piece)
    return total.hexdigest()


def _manifest(path: Path, file: BinaryIO, places: Mapping[str, tuple[int, int]]) -> PackageManifest:
    if MANIFEST not in places:
        raise _refused(path, f"{MANIFEST} is missing")
    start, length = places[MANIFEST]
    if length > _MOST_DOCUMENT:
        raise _refused(path, f"{MANIFEST} has {length:,} bytes; at most {_MOST_DOCUMENT:,}")
    file.seek(start)
    try:
        return PackageManifest.model_validate_json(file.read(length))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200] or "whole file"
        raise _refused(path, f"{MANIFEST}: {shown(where)}: {first['msg']}") from None


def _require_as_listed(
    path: Path,
    manifest: PackageManifest,
    places: Mapping[str, tuple[int, int]],
    sums: Mapping[str, str],
) -> None:
    there, listed = set(places) - {MANIFEST}, set(manifest.files)
    for names, what in (
        (listed - there, "is in its manifest and missing"),
        (there - listed, "is not in its manifest"),
        (set(REQUIRED) - there, "is missing"),
    ):
        if names:
            raise _refused(path, f"{shown(min(names))} {what}")
    for name, entry in manifest.files.items():
        if places[name][1] != entry.size:
            raise _refused(path, f"{name} has {places[name][1]:,} bytes, not {entry.size:,}")
        if sums[name] != entry.sha256:
            raise _refused(path, f"{name}: its SHA-256 is not that of the manifest")


def _require_settings(package: Package) -> None:
    """Raises PipelineError unless settings.json is of the same build as the manifest."""
    if package.places["settings.json"][1] > _MOST_DOCUMENT:
        raise _refused(package.path, f"settings.json has more than {_MOST_DOCUMENT:,} bytes")
    try:
        settings = json.loads(package.read("settings.json"))
    except (ValueError, RecursionError):
        raise _refused(package.path, "settings.json is no valid JSON") from None
    manifest = package.manifest
    for name in ("unit", "network", "board", "part", "digest"):
        value = settings.get(name) if isinstance(settings, dict) else None
        if value != getattr(manifest, name):
            raise _refused(
                package.path,
                f"settings.json: {name} is not that of {MANIFEST}, which is "
                f"{getattr(manifest, name)!r}",
            )
