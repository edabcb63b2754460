"""Makes a folder like a real installation of Vivado, whose programs are the fakes in `fake/`.

The programs are Tcl, run by the machine's `tclsh`; all that they need lies in the installation, so
that they also run where only it is mounted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAKE = Path(__file__).with_name("fake")
PARTS = (
    *("xc7z010clg400-1", "xc7z020clg400-1", "xc7z020clg484-1", "xczu3eg-sbva484-1-e"),
    *("xczu3eg-sbva484-1-i", "xczu7ev-ffvc1156-2-e", "xck26-sfvc784-2LV-c"),
)
BOARDS = {
    "pynq-z1": ("www.digilentinc.com", "pynq-z1", "1.0", "xc7z020clg400-1"),
    "pynq-z2": ("tul.com.tw", "pynq-z2", "1.0", "xc7z020clg400-1"),
    "ultra96v1": ("avnet.com", "ultra96v1", "1.2", "xczu3eg-sbva484-1-e"),
    "ultra96v2": ("avnet.com", "ultra96v2", "1.2", "xczu3eg-sbva484-1-i"),
    "zcu104": ("xilinx.com", "zcu104", "1.1", "xczu7ev-ffvc1156-2-e"),
    "kv260_som": ("xilinx.com", "kv260_som", "1.3", "xck26-sfvc784-2LV-c"),
}
"""By folder of the board files: vendor, name, version, part."""


@dataclass(frozen=True)
class Failure:
    """How a fake fails: see fake/failures.tcl. code None: the run goes on."""

    phase: str
    lines: tuple[str, ...] = ()
    code: int | None = 1
    action: str = ""
    tool: str = "vivado"

    def options(self) -> list[tuple[str, str]]:
        code = "none" if self.code is None else str(self.code)
        return [
            ("fail.phase", self.phase),
            *(("fail.line", line) for line in self.lines),
            ("fail.code", code),
            *([("fail.action", self.action)] if self.action else []),
        ]


def install(
    root: Path,
    version: str = "2024.2",
    fail: Failure | None = None,
    *,
    parts: Sequence[str] = PARTS,
    boards: Iterable[str] = BOARDS,
    resources: Mapping[str, tuple[int, int, int, int]] | None = None,
    **options: str,
) -> Path:
    """Makes the installation `root`/Vivado/`version`, and returns that folder.

    resources: by instance, the LUTs, FFs, RAMB18s and DSPs that its reports shall have. options:
    other lines of the fake's options.txt, such as delay_ns: the delay of the longest path.
    """
    folder = root / "Vivado" / version
    _program(folder, "vivado", "vivado.tcl")
    for family in ("zynq", "zynquplus"):
        (folder / "data" / "parts" / "xilinx" / family).mkdir(parents=True)
    for name in boards:
        _board(folder / "data" / "boards" / "board_files", name)
    lines = [("version", version), *(("part", part) for part in parts), *options.items()]
    lines += [
        ("resource", " ".join(map(str, (instance, *counts))))
        for instance, counts in (resources or {}).items()
    ]
    configure(folder, lines + (fail.options() if fail else []))
    return folder


def configure(folder: Path, lines: Iterable[tuple[str, str]]) -> None:
    """Writes how the fake in an installed tool's folder behaves."""
    text = "".join(f"{name} {value}\n" for name, value in lines)
    (folder / "fake" / "options.txt").write_text(text)


def break_off(folder: Path, fail: Failure | None) -> None:
    """Lets the fake in an installed tool's folder fail from now on, or no more."""
    path = folder / "fake" / "options.txt"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("fail.")]
    added = [f"{name} {value}" for name, value in fail.options()] if fail else []
    path.write_text("\n".join([*kept, *added]) + "\n")


def calls(folder: Path) -> list[list[str]]:
    """The vendor's commands that scripts called in a work folder: name and arguments of each."""
    lines = (folder / "fake_calls.jsonl").read_text().splitlines()
    return [call for call in map(json.loads, lines) if call[0] != "#"]


def block_design(folder: Path) -> dict[str, Any]:
    """The block design that a script made in a work folder, as the fake saw it."""
    found: dict[str, Any] = json.loads((folder / "fake_block_design.json").read_text())
    return found


def _program(folder: Path, name: str, script: str) -> None:
    shutil.copytree(FAKE, folder / "fake", dirs_exist_ok=True)
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    program = folder / "bin" / name
    program.write_text(
        "#!/bin/sh\n"
        'here=$(dirname "$(readlink -f "$0")")\n'
        f'exec tclsh "$here/../fake/{script}" "$@"\n'
    )
    program.chmod(0o755)
    settings = folder / "settings64.sh"
    settings.write_text(
        f'export XILINX_VIVADO="{folder}"\nexport PATH="{folder}/bin:$PATH"\n'  # as the real one
    )


def _board(folder: Path, name: str) -> None:
    vendor, board, version, part = BOARDS[name]
    place = folder / name / version
    place.mkdir(parents=True)
    (place / "board.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
        f'<board schema_version="2.1" vendor="{vendor}" name="{board}" display_name="{board}">\n'
        f"  <file_version>{version}</file_version>\n"
        f'  <components><component name="part0" type="fpga" part_name="{part}"/></components>\n'
        "</board>\n"
    )
