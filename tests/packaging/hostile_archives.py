"""Archives that somebody tampered with: what was done to a good one, and words of the error."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

from pipeline.packaging import archive

Files = dict[str, bytes]


def good(unit: str = "net@Board.open") -> Files:
    """The files of the smallest package."""
    fields = {
        "unit": unit,
        "network": "net",
        "board": "Board",
        "part": "xc7z020clg400-1",
        "digest": "0" * 32,
    }
    files = {name: f"{name} of {unit}".encode() for name in archive.REQUIRED}
    files["settings.json"] = json.dumps(fields).encode()
    files[archive.MANIFEST] = archive.manifest_text(
        files, {"rtl": "1" * 64}, bitfile="simulated", **fields
    )
    return files


def packed(files: Files) -> bytes:
    target = io.BytesIO()
    archive.write(target, files)
    return target.getvalue()


def _entry(change: Callable[[tarfile.TarInfo], None]) -> bytes:
    """A good archive, with one more entry."""
    target, files = io.BytesIO(), good()
    with tarfile.open(fileobj=target, mode="w:", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            tar.addfile(entry, io.BytesIO(files[name]))
        entry = tarfile.TarInfo("extra")
        change(entry)
        tar.addfile(entry)
    return target.getvalue()


def _named(name: str) -> bytes:
    return _entry(lambda entry: setattr(entry, "name", name))


def _of_type(kind: bytes, target: str = "") -> bytes:
    def change(entry: tarfile.TarInfo) -> None:
        entry.type, entry.linkname = kind, target

    return _entry(change)


def _manifest(**changes: Any) -> bytes:
    files = good()
    document = json.loads(files[archive.MANIFEST]) | changes
    return packed({**files, archive.MANIFEST: json.dumps(document).encode()})


def _raw_manifest(text: bytes) -> bytes:
    return packed({**good(), archive.MANIFEST: text})


def _without(name: str) -> bytes:
    return packed({key: value for key, value in good().items() if key != name})


def _settings(**changes: Any) -> bytes:
    """A package whose settings say something else; its manifest's checksums are right."""
    files = good()
    document = json.loads(files["settings.json"]) | changes
    files["settings.json"] = json.dumps(document).encode()
    fields = {name: json.loads(good()["settings.json"])[name] for name in document}
    del files[archive.MANIFEST]
    files[archive.MANIFEST] = archive.manifest_text(files, {}, bitfile="simulated", **fields)
    return packed(files)


def _cut(size: int) -> bytes:
    return packed(good())[:size]


def _corrupt(at: int) -> bytes:
    data = bytearray(packed(good()))
    data[at] ^= 0x40
    return bytes(data)


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "path above": (lambda: _named("../evil"), "the name ../evil is not allowed"),
    "path above, inside": (lambda: _named("golden/../../evil"), "is not allowed"),
    "absolute path": (lambda: _named("/etc/passwd"), "the name /etc/passwd is not allowed"),
    "hidden file": (lambda: _named(".bashrc"), "is not allowed"),
    "option as name": (lambda: _named("-rf"), "is not allowed"),
    "line break in a name": (lambda: _named("a\nb"), r"the name a\nb is not allowed"),
    "empty part": (lambda: _named("golden//x"), "is not allowed"),
    "long name": (lambda: _named("x" * 300), "is not allowed"),
    "symbolic link": (lambda: _of_type(tarfile.SYMTYPE, "/etc/passwd"), "extra is a symbolic link"),
    "hard link": (lambda: _of_type(tarfile.LNKTYPE, "driver.py"), "extra is a link"),
    "device": (lambda: _of_type(tarfile.CHRTYPE), "extra is a device"),
    "pipe": (lambda: _of_type(tarfile.FIFOTYPE), "extra is a pipe"),
    "folder": (lambda: _of_type(tarfile.DIRTYPE), "extra is a folder"),
    "unknown type": (lambda: _of_type(b"Z"), "extra is of type"),
    "additional file": (lambda: _named("extra"), "extra is not in its manifest"),
    "file twice": (lambda: _named("driver.py"), "driver.py is in it twice"),
    "missing file": (lambda: _without("accelerator.bit"), "accelerator.bit is in its manifest and"),
    "no manifest": (lambda: _without(archive.MANIFEST), "manifest.json is missing"),
    "wrong checksum": (lambda: _corrupt(512), "accelerator.bit: its SHA-256 is not that"),
    "damaged header": (lambda: _corrupt(3), "no valid tar header at byte 0"),
    "cut in a file": (lambda: _cut(515), "accelerator.bit is cut off"),
    "cut in a header": (lambda: _cut(1024 + 100), "it is cut off"),
    "empty": (lambda: b"", "it is cut off"),
    "something behind": (lambda: packed(good()) + b"x", "something follows its end"),
    "no tar": (lambda: b"PK\x03\x04" + bytes(2000), "no valid tar header"),
    "other schema": (lambda: _manifest(schema_version=2), "schema_version"),
    "unknown field": (lambda: _manifest(run="rm -rf /"), "manifest.json: run"),
    "no digest": (lambda: _manifest(digest="../x"), "manifest.json: digest"),
    "path in the manifest": (
        lambda: _manifest(files={"../x": {"sha256": "0" * 64, "size": 1}}),
        "../x is in its manifest and missing",
    ),
    "no JSON": (lambda: _raw_manifest(b"{"), "manifest.json: whole file"),
    "deep JSON": (lambda: _raw_manifest(b"[" * 100_000), "manifest.json: whole file"),
    "huge manifest": (lambda: _raw_manifest(b" " * (2 << 20)), "manifest.json has 2,097,152 bytes"),
    "settings of another build": (lambda: _settings(digest="1" * 32), "settings.json: digest"),
    "settings that are none": (
        lambda: packed(good() | {"settings.json": b"[]"}),
        "settings.json",
    ),
}
