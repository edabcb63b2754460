"""Publishing a stage folder: it is made under another name, then renamed.

The renames may be interrupted at any point; `recover` finishes them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from pipeline.flow import state
from pipeline.flow.documents import MANIFEST
from pipeline.tools.files import content, is_folder, remove, sync, there
from pipeline.tools.process import inside_quotes

DIGEST = ".job-digest"
"""The file in a partial folder that holds the digest of its job."""


def partial_of(final: Path) -> Path:
    return final.with_name(f"{final.name}.partial")


def old_of(final: Path) -> Path:
    return final.with_name(f"{final.name}.old")


def publish(final: Path) -> None:
    """Puts the partial folder in the place of the published one.

    In order: old -> .old, partial -> final, delete .old. `recover` finishes this if it is
    interrupted. A file or link in the stage's place is removed. The old folder is deleted only when
    the new one is on the disk.
    """
    partial, old = partial_of(final), old_of(final)
    remove(partial / DIGEST)
    _move_scripts(partial, final)
    if there(final):
        remove(old)
        final.rename(old)
    partial.rename(final)
    sync(final.parent)
    with contextlib.suppress(OSError):  # the next run tries again
        remove(old)


def _move_scripts(partial: Path, final: Path) -> None:
    """In the commands kept beside the logs, replaces the partial folder's path by the final one."""
    for script in (partial / "logs").rglob("*"):
        if script.suffix in (".sh", ".ys") and script.is_file():
            old, new = (inside_quotes(path).encode() for path in (partial, final))
            script.write_bytes(script.read_bytes().replace(old, new))


def cut(final: Path) -> bool:
    """Whether there is something for `recover` to finish."""
    return _complete(partial_of(final)) or there(old_of(final))


def recover(final: Path) -> None:
    """Finishes a publish that was interrupted. The caller must hold the stage's lock."""
    partial, old = partial_of(final), old_of(final)
    if _complete(partial):
        publish(final)
    if not there(old):
        return
    if state.manifest(final) is not None or not _complete(old):
        remove(old)
    else:
        remove(final)
        old.rename(final)


def _complete(folder: Path) -> bool:
    return is_folder(folder) and state.manifest(folder) is not None


def left_of(final: Path) -> str | None:
    """The digest of the job whose interrupted run left a partial folder; None if there is none."""
    partial = partial_of(final)
    mark = content(partial / DIGEST, 64) if is_folder(partial) else None
    return None if mark is None or there(partial / MANIFEST) else mark.decode("ascii", "replace")


def open_partial(final: Path, digest: str, resumes: bool) -> Path:
    """The folder to work in.

    It is new, unless the stage `resumes` and an interrupted run of the same job left one.
    """
    partial = partial_of(final)
    if not (resumes and left_of(final) == digest):
        remove(partial)
        partial.mkdir(parents=True)
        (partial / DIGEST).write_text(digest)
    return partial
