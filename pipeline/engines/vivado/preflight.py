"""Looks at the vendor's tools before anything is built: all findings at once, each with a remedy.

A problem would end the build, perhaps after hours, so it ends before training. A note may matter,
but a build can go on. Everything together takes less than 2 s: what must wait (licence servers, the
container engine) is asked at the same time, and only for a second.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import psutil

from pipeline.engines.vivado.finn.needs import finn_deps, require_board, require_place
from pipeline.engines.vivado.parts import FREE, device_of, needs_of, parts_folder
from pipeline.errors import MissingTool, PipelineError
from pipeline.tools.findings import Finding, Level
from pipeline.tools.memory import machine_bytes
from pipeline.tools.vendor import surroundings
from pipeline.tools.vendor.executor import container_of, executor, launcher_of
from pipeline.tools.vendor.installation import OLDEST, Installation, find, version_of
from pipeline.tools.vendor.licence import (
    Server,
    features,
    files_of,
    found_by_itself,
    licence_of,
    servers_of,
)
from specs.vivado import VendorTarget

_SERVER_SECONDS = 1.0
_DATE_BUG_UNTIL = (2021, 2)
_DATE_PATCH = "common/scripts/automg_patch_20220104.tcl"
"""What the vendor's patch (answer record 76960) adds to each product's folder."""
_FILE_FROM = (2026, 1)
"""Since this version, users report, even the free edition asks for a licence file."""
_OF_FINN = ("2022.2", "2024.2")
"""The versions that FINN itself is tested with."""


def preflight(target: VendorTarget, settings: Mapping[str, Any], build: Path) -> list[Finding]:
    """All that is found about a run of the vendor's tools for `target`. build: the build folder."""
    found: list[Finding] = []
    installation = None
    try:
        installation = find(settings)
        found += _tool(installation, target)
    except MissingTool as error:
        first, _, ways = str(error).partition("\n")
        remedy = re.sub(r"\n +(?=\S)(?!\d\. |Without)", " ", ways)  # a table wraps by itself
        found.append(Finding("problem", "vivado", first, textwrap.dedent(remedy)))
    looks: list[Iterator[Finding]] = []
    if installation is not None and installation.here:
        looks += [_part(installation, target), _board(installation, target, settings)]
    looks += [_licence(target, settings, installation), _room(target, settings, build)]
    looks.append(_around(settings, installation, build))
    if target.hardware == "finn":
        looks.append(_finn(target, settings, build))
    with ThreadPoolExecutor(len(looks)) as pool:
        return found + [finding for answers in pool.map(_all, looks) for finding in answers]


def _all(look: Iterator[Finding]) -> list[Finding]:
    return list(look)


def _tool(installation: Installation, target: VendorTarget) -> Iterator[Finding]:
    version = version_of(installation.version)
    where = f"{installation.version} in {installation.vivado}"
    program = installation.tools.get("vivado")
    if not installation.here:
        yield Finding(
            "note", "vivado", f"{where}, behind the launcher",
            "it was not looked at: it need not be on this machine",
        )  # fmt: skip
    elif not installation.supported:
        yield Finding(
            "problem", "vivado", f"{where}: too old",
            f"{OLDEST[0]}.{OLDEST[1]} or any later version: install one, and give it as vivado=",
        )  # fmt: skip
    elif program is not None and not os.access(program, os.X_OK):
        noexec = os.statvfs(program).f_flag & os.ST_NOEXEC
        yield Finding(
            "problem", "vivado", f"{program} cannot be executed"
            + (": its file system is mounted noexec" if noexec else ""),
            "mount it with exec" if noexec else f"chmod a+x {program}",
        )  # fmt: skip
    else:
        yield Finding("ok", "vivado", where)
    if version and version[:2] <= _DATE_BUG_UNTIL and installation.here:
        yield from _date_bug(installation, target)
    if target.hardware == "finn":
        yield from _hls(installation, version)


def _date_bug(installation: Installation, target: VendorTarget) -> Iterator[Finding]:
    """Since 2022, versions until 2021.2 cannot export an IP core: the date is no 32-bit number."""
    if all((folder / _DATE_PATCH).is_file() for folder in installation.folders):
        yield Finding("ok", "date bug", "the patch of 2022 is there")
        return
    yield Finding(
        "problem" if target.hardware == "finn" else "note", "date bug",
        "this version cannot export IP cores since 2022 (answer record 76960)",
        "a version from 2022.2 on; or unpack the vendor's y2k22_patch into the installation's root "
        "and run there: python3 y2k22_patch/patch.py",
    )  # fmt: skip


def _hls(installation: Installation, version: tuple[int, ...]) -> Iterator[Finding]:
    wanted = "vitis-run" if version >= (2025, 1) else "vitis_hls"
    if wanted in installation.tools:
        yield Finding("ok", "Vitis HLS", str(installation.tools[wanted]))
    else:
        yield Finding(
            "problem", "Vitis HLS", f"no {wanted} beside {installation.vivado}",
            "add Vitis to the installation, or give its folder as vitis=; hardware=rtl needs none",
        )  # fmt: skip
    if installation.version not in _OF_FINN:
        yield Finding(
            "note", "FINN", f"is tested by its authors with {' and '.join(_OF_FINN)} only",
            "if a step of FINN fails, try one of these",
        )  # fmt: skip


def _finn(target: VendorTarget, settings: Mapping[str, Any], build: Path) -> Iterator[Finding]:
    """What FINN needs beside the tools, and what its shell cannot be made for."""
    looks: dict[str, Callable[[], object]] = {
        "finn-hlslib": lambda: finn_deps(settings),
        "FINN's shell": lambda: require_board(target),
        "FINN's scripts": lambda: require_place(build, "build_dir in local.toml"),
    }
    for what, look in looks.items():
        try:
            found = look()
        except PipelineError as error:
            first, _, ways = str(error).partition("\n")
            yield Finding("problem", what, first, ways)
        else:
            yield Finding("ok", what, str(found))


def _part(installation: Installation, target: VendorTarget) -> Iterator[Finding]:
    parts = installation.vivado / "data" / "parts" / "xilinx"
    folder = parts / parts_folder(target.family)
    if not parts.is_dir():
        yield Finding(
            "note", "part", f"{target.part}: {parts} is not there, so nothing is known of it",
            "if Vivado does not know the part: its installer, 'Add Design Tools or Devices'",
        )  # fmt: skip
    elif not folder.is_dir():
        there = ", ".join(sorted(path.name for path in parts.iterdir() if path.is_dir()))
        yield Finding(
            "problem", "part", f"{target.part}: its family is not installed (there: {there})",
            "the installer of Vivado, 'Add Design Tools or Devices': "
            + ("Zynq-7000" if target.family == "zynq-7000" else "Zynq UltraScale+ MPSoC"),
        )  # fmt: skip
    else:
        yield Finding("ok", "part", f"{target.part}: its family is installed")


def _board(
    installation: Installation, target: VendorTarget, settings: Mapping[str, Any]
) -> Iterator[Finding]:
    needed = target.hardware == "finn"
    if target.board_part is None:
        yield Finding(
            "problem" if needed else "note", "board files", f"{target.board} names no board_part",
            "board_part in the board's TOML file, as get_board_parts of Vivado lists it; "
            + ("FINN needs it" if needed else "without it the PS is set up from the TOML file"),
        )  # fmt: skip
        return
    name = target.board_part.split(":")[1]
    places = _board_folders(installation, settings)
    patterns = (f"{name}/*/board.xml", f"{name}/board.xml", f"*/{name}/*/board.xml")
    for place in places:
        for pattern in patterns:
            if (found := next(place.glob(pattern), None)) is not None:
                yield Finding("ok", "board files", f"{target.board_part}: {found.parent}")
                return
    yield Finding(
        "problem" if needed else "note", "board files", f"{target.board_part}: none found",
        f"in Vivado: Tools, Vivado Store, Boards, {name}; or unpack them into {places[0]}"
        + ("" if needed else ". Not needed: the PS is set up from the board's TOML file"),
    )  # fmt: skip


def _board_folders(installation: Installation, settings: Mapping[str, Any]) -> list[Path]:
    store = "xilinx_board_store"
    found = [
        installation.vivado / "data" / "boards" / "board_files",
        installation.vivado / "data" / "xhub" / "boards" / "XilinxBoardStore" / "boards",
        Path.home() / ".Xilinx" / "Vivado" / installation.version / "xhub" / "board_store" / store,
    ]
    if deps := settings.get("finn_deps") or os.environ.get("FINN_DEPS"):
        found.append(Path(deps) / "board_files")
    return found


def _licence(
    target: VendorTarget, settings: Mapping[str, Any], installation: Installation | None
) -> Iterator[Finding]:
    free = FREE.fullmatch(device_of(target.part)) is not None
    licence = licence_of(settings)
    files = files_of(licence) or ([] if licence else found_by_itself())
    servers = servers_of(licence)
    yield from _servers(servers, free, bool(settings.get("launcher")))
    for file in files:
        yield from _file(file, free, bool(settings.get("launcher")))
    if not files and not servers:
        version = version_of(installation.version) if installation is not None else ()
        if not free:
            yield Finding(
                "problem", "licence", f"{target.part}: not in the free edition, no licence named",
                "licence=port@host or licence=/path/to/file.lic, as XILINXD_LICENSE_FILE has it",
            )  # fmt: skip
        elif version >= _FILE_FROM:
            yield Finding(
                "note", "licence", "none named; users report that this version asks for a file",
                "if Vivado says so: get the free licence with its licence manager",
            )  # fmt: skip
        else:
            yield Finding("ok", "licence", f"{target.part} is in the free edition")


def _servers(servers: list[Server], free: bool, remote: bool) -> Iterator[Finding]:
    if not servers:
        return
    silent = [reason for reason in _answers(servers) if reason]
    names = ", ".join(f"{server.port}@{server.host}" for server in servers)
    if len(silent) < len(servers):
        yield Finding("ok", "licence server", names)
        return
    yield Finding(
        "note" if free or remote else "problem", "licence server", "; ".join(silent),
        "is the VPN up, and the port right? ask whoever runs the server; licence= names another"
        + (". The part is in the free edition, which needs none" if free else ""),
    )  # fmt: skip


def _answers(servers: list[Server]) -> list[str]:
    """Why each server cannot be reached; empty if it can.

    A look-up of a name has no time limit of its own, so nobody waits for these threads.
    """
    reasons = {server: f"{server.port}@{server.host}: no answer" for server in servers}

    def ask(server: Server) -> None:
        try:
            with socket.create_connection((server.host, server.port), timeout=_SERVER_SECONDS):
                reasons[server] = ""
        except OSError as error:
            reasons[server] = f"{server.port}@{server.host}: {error.strerror or error}"

    threads = [threading.Thread(target=ask, args=(server,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 1.2 * _SERVER_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return list(reasons.values())


def _file(path: Path, free: bool, remote: bool) -> Iterator[Finding]:
    """One finding for a licence file or a folder of them."""
    level: Level = "note" if free or remote else "problem"
    if not path.exists():
        yield Finding(
            level, "licence file", f"{path}: not there", "licence= names it; correct the path"
        )
        return
    files = sorted(path.glob("*.lic")) if path.is_dir() else [path]
    held = [feature for file in files for feature in features(file)]
    valid = [feature for feature in held if feature.until is None or feature.until >= date.today()]
    here = _host_ids()
    usable = [
        feature
        for feature in valid
        if not feature.hosts or "any" in feature.hosts or here & {*feature.hosts}
    ]
    if usable:
        ends = min((feature.until for feature in usable if feature.until), default=None)
        until = "" if ends is None else f", the first ends on {ends}"
        yield Finding("ok", "licence file", f"{path}: {len(usable)} features{until}")
    elif not held:
        yield Finding(
            level, "licence file", f"{path}: no licence in it, or not readable",
            "a file of the vendor's licence site; it has lines that begin with INCREMENT",
        )  # fmt: skip
    elif not valid:
        last = max(feature.until for feature in held if feature.until)
        yield Finding(
            level, "licence file", f"{path}: expired on {last}", "renew it on the licence site"
        )
    else:
        ids = ", ".join(sorted({host for feature in valid for host in feature.hosts}))
        yield Finding(
            "note", "licence file", f"{path}: it is for the machine {ids}, which this is not",
            f"this machine's ids: {', '.join(sorted(here)) or 'none'}; move the licence",
        )  # fmt: skip


def _host_ids() -> set[str]:
    """The addresses of the network cards, as licences name machines."""
    found = [card.address for cards in psutil.net_if_addrs().values() for card in cards]
    words = {word.replace(":", "").lower() for word in found if word.count(":") == 5}
    return words - {"0" * 12}


def _room(target: VendorTarget, settings: Mapping[str, Any], build: Path) -> Iterator[Finding]:
    needs = needs_of(target.part, target.hardware)
    place = next(path for path in (build, *build.parents) if path.exists())
    disk = shutil.disk_usage(place).free / 2**30
    more = "make room, or build_dir in local.toml: a folder on a larger disk"
    yield _compared("disk", disk, needs.disk_gib, needs.likely_disk_gib, more)
    if settings.get("launcher"):
        return  # the memory is the other machine's, and the scheduler's business
    memory = (settings.get("memory_gib") or machine_bytes() / 2**30) + 0.5
    more = "a machine with more memory, by launcher= or here; jobs=1 needs less"
    yield _compared("memory", memory, needs.memory_gib, needs.likely_memory_gib, more)


def _compared(what: str, there: float, least: float, likely: float, more: str) -> Finding:
    text = f"{there:,.1f} GiB"
    if there < least:
        return Finding("problem", what, f"{text} of at least {least:g} GiB", more)
    if there < likely:
        return Finding("note", what, f"{text}; up to {likely:g} GiB may be needed", more)
    return Finding("ok", what, text)


def _around(
    settings: Mapping[str, Any], installation: Installation | None, build: Path
) -> Iterator[Finding]:
    try:
        container, launcher = container_of(settings), launcher_of(settings)
        yield from surroundings.look(container, launcher, build)
        if installation is not None and container is not None:
            yield from surroundings.look_at_mounts(executor(settings), build)
    except PipelineError as error:
        yield Finding("problem", "settings", str(error))
