"""Where the vendor's tools lie, and of which version they are."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import MissingTool

OLDEST = (2022, 2)
"""The oldest supported version. Each later one is supported, too: what differs is found by rule."""
ROOTS = ("/tools/Xilinx", "/opt/Xilinx", "/tools/AMDDesignTools", "/opt/AMDDesignTools")
"""Folders that the vendor's installers propose, or that people commonly choose."""
ASSUMED = Path("/tools/Xilinx/Vivado/2024.2")
"""What dry_run=yes shows the plan for if no Vivado is found."""

_VERSION = re.compile(r"(20\d\d)\.(\d)(?:\.(\d))?")
_PLACES = {
    "vivado": ("Vivado",),
    "xelab": ("Vivado",),
    "vitis_hls": ("Vitis_HLS", "Vitis", "Vivado"),
    "vitis-run": ("Vitis",),
    "v++": ("Vitis",),
}
"""Each tool, and the products in whose `bin` it may lie."""


@dataclass(frozen=True)
class Installation:
    """The folder of Vivado, its version ("2024.2"), and the path of each tool that is there.

    folders: the products' folders, which a container has to show. here: whether they were looked
    at; behind a launcher they may only exist on the other machine.
    """

    vivado: Path
    version: str
    tools: Mapping[str, Path]
    folders: tuple[Path, ...]
    here: bool = True

    @property
    def supported(self) -> bool:
        return version_of(self.version) >= OLDEST

    @property
    def told(self) -> str:
        """The version, and the folder if nobody looked whether it is there."""
        return self.version if self.here else f"{self.version} in {self.vivado}, not looked at"


def version_of(text: str) -> tuple[int, ...]:
    """The numbers of the last version in `text`, such as a path; empty if there is none."""
    found = _VERSION.findall(text)
    return tuple(int(part) for part in found[-1] if part) if found else ()


def find(settings: Mapping[str, Any]) -> Installation:
    """The installation that the settings name; else that of the environment; else the newest.

    Raises MissingTool, with the ways to get one, if there is none.
    """
    named = settings.get("vivado")
    remote = bool(settings.get("launcher"))
    if named:
        folder = Path(named).expanduser()
        if not remote and not (folder / "bin" / "vivado").is_file():
            raise MissingTool(f"vivado = {named}: it has no bin/vivado.\n{WAYS}")
        return _installation(folder, settings, here=(folder / "bin" / "vivado").is_file())
    for folder in _candidates():
        if (folder / "bin" / "vivado").is_file():
            return _installation(folder, settings, here=True)
    raise MissingTool(
        f"vivado: not found (looked at XILINX_VIVADO, PATH, {', '.join(ROOTS)}).\n{WAYS}"
    )


def planned_with(settings: Mapping[str, Any]) -> Installation:
    """As `find`; but a plan that is only shown (dry_run=yes) needs no installation.

    Then it is shown for a usual place and version, and says so. What was named must be there.
    """
    try:
        return find(settings)
    except MissingTool:
        if settings.get("dry_run") != "yes" or settings.get("vivado"):
            raise
        return _installation(ASSUMED, settings, here=False)


WAYS = """\
  Three ways to go on:
  1. It is installed elsewhere: give its folder, as vivado=/path/to/Vivado/2024.2 here, as
     vivado = "..." in local.toml, or as PIPELINE_VIVADO or XILINX_VIVADO in the environment.
  2. It is on another machine that shares this folder: give vivado= as it is called there, and
     launcher="ssh that-machine" (or "srun -c 8", "bsub -I").
  3. Install it (2022.2 or later, from www.amd.com, Downloads): the free Standard edition has the
     parts of all boards that come with this pipeline.
  Without it, engine=open goes as far as synthesis."""


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("XILINX_VIVADO"):
        yield Path(named)
    if (found := shutil.which("vivado")) is not None:
        yield Path(found).resolve().parent.parent
    places = [
        place
        for root in ROOTS
        for pattern in ("Vivado/20*", "20*/Vivado")
        for place in Path(root).glob(pattern)
    ]
    yield from sorted(places, key=lambda place: version_of(str(place)), reverse=True)


def _installation(folder: Path, settings: Mapping[str, Any], *, here: bool) -> Installation:
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve would leave the user's own path
    version = ".".join(map(str, version_of(str(folder)) or _told_version(folder)))
    if not version:
        raise MissingTool(
            f"vivado = {folder}: its version is unknown. The path must have it, as in "
            "/tools/Xilinx/Vivado/2024.2 or /tools/Xilinx/2025.1/Vivado"
        )
    products = {"Vivado": folder}
    for name in ("Vitis_HLS", "Vitis"):
        products[name] = _beside(folder, name)
    if named := settings.get("vitis"):
        products["Vitis"] = products["Vitis_HLS"] = Path(named).expanduser()
    tools: dict[str, Path] = {}
    for tool, places in _PLACES.items():
        paths = [products[place] / "bin" / tool for place in places]
        there = [path for path in paths if path.is_file()]
        if there or not here:
            tools[tool] = (there or paths)[0]
    named_ones = [folder, *([products["Vitis"]] if settings.get("vitis") else [])]
    found = [*products.values(), _beside(folder, "SharedData")]
    folders = [path for path in found if path.is_dir()] if here else named_ones
    return Installation(folder, version, tools, tuple(dict.fromkeys(folders)), here)


def _beside(vivado: Path, product: str) -> Path:
    """The folder of another product: until 2024 <root>/Vivado/<version>, then the other way."""
    if vivado.name == "Vivado":
        return vivado.with_name(product)
    return vivado.parent.with_name(product) / vivado.name


def _told_version(folder: Path) -> tuple[int, ...]:
    """The version that the installation's own script names, for a folder that was renamed."""
    try:
        with (folder / "settings64.sh").open(encoding="utf-8", errors="replace") as file:
            return version_of(file.read(1 << 16))
    except OSError:
        return ()
