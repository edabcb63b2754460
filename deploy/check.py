"""Looks at a board before anything is sent to it: all findings at once, each with its remedy."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

from deploy.install import Board
from deploy.scripts import REMOTE
from pipeline.tools.findings import Finding
from specs.board import BoardSpec

Facts = dict[str, list[str]]

LEAST_DISK_MIB, LEAST_MEMORY_MIB, LEAST_CMA_MIB = 200, 100, 16
PYTHON = (3, 8)
PYNQ = ("3.0", "3.1", "4.0")
"""The versions of PYNQ that the driver is made for."""
SKEW_SECONDS = 300
_ZYNQ_7000 = {0x02: "xc7z010", 0x03: "xc7z007s", 0x07: "xc7z020", 0x08: "xc7z014s",
              0x0C: "xc7z030", 0x11: "xc7z045", 0x12: "xc7z035", 0x16: "xc7z100",
              0x1B: "xc7z015", 0x1C: "xc7z012s"}  # fmt: skip
"""Device codes in the identification register of Zynq-7000 (UG585, PSS_IDCODE)."""
DEVICE_TREE = {"zynq-7000": "xlnx,zynq-7000", "zynq-us+": "xlnx,zynqmp"}
"""How the board's device tree calls each family."""
_PROBE_SECONDS = 180.0


def check(board: Board, wanted: BoardSpec | None) -> list[Finding]:
    """All findings on a board. wanted: the board that the package is made for, if that is known.

    Raises BoardError if it cannot be reached.
    """
    facts: Facts = {}

    def on_line(line: str) -> None:
        words = line.split(" ", 2)
        if words[0] == "@fact" and len(words) == 3:
            facts.setdefault(words[1], []).append(words[2].strip())
            if words[1] == "time":
                facts["here"] = [str(time.time())]

    probe = (REMOTE / "probe.py").read_bytes()
    start = time.monotonic()
    board.run_with_root("check", len(probe), seconds=_PROBE_SECONDS, feed=[probe], on_line=on_line)
    reached = Finding(
        "ok", "reached", f"as {_first(facts, 'user')}, {time.monotonic() - start:.1f} s"
    )
    return [reached, *(finding for look in _LOOKS for finding in look(facts, wanted))]


def _first(facts: Facts, name: str) -> str:
    return facts.get(name, [""])[0]


def _number(facts: Facts, name: str) -> float | None:
    try:
        return float(_first(facts, name))
    except ValueError:
        return None


def _programs(facts: Facts, wanted: BoardSpec | None) -> Iterator[Finding]:
    if missing := facts.get("missing"):
        yield Finding(
            "problem", "programs", f"missing: {', '.join(missing)}",
            "sudo apt install tar coreutils util-linux python3",
        )  # fmt: skip


def _root(facts: Facts, wanted: BoardSpec | None) -> Iterator[Finding]:
    how = _first(facts, "root")
    if how in ("login", "sudo"):
        yield Finding("ok", "root", "the login is root" if how == "login" else "by sudo")
        return
    found = "no sudo there" if how == "none" else "sudo asks for a password"
    user = _first(facts, "user")
    yield Finding(
        "problem", "root", f"{found}; the driver needs root for the FPGA's memory",
        f"on the board, once: echo '{user} ALL=(ALL) NOPASSWD: ALL' | sudo tee "
        f"/etc/sudoers.d/qnn; or give sudo=ask, which asks for it here (docs/board.md, Root)",
    )  # fmt: skip


def _python(facts: Facts, wanted: BoardSpec | None) -> Iterator[Finding]:
    word = _first(facts, "python")
    if not word:
        if "root" in facts and _first(facts, "root") in ("login", "sudo"):
            failed = _first(facts, "probe_failed")
            yield Finding(
                "problem", "Python", f"python3 did not answer (exit code {failed or 'unknown'})",
                "on the board: sudo python3 -c 'import numpy, pynq'",
            )  # fmt: skip
        return
    old = tuple(int(part) for part in re.findall(r"\d+", word)[:2]) < PYTHON
    yield Finding(
        "problem" if old else "ok", "Python", word, "an image with PYNQ 3.0 or newer" if old else ""
    )
    if "numpy_error" in facts:
        yield Finding("problem", "NumPy", _first(facts, "numpy_error"), "sudo -i pip install numpy")
    else:
        yield Finding("ok", "NumPy", _first(facts, "numpy"))


def _pynq(facts: Facts, wanted: BoardSpec | None) -> Iterator[Finding]:
    if "python" not in facts:
        return
    version, error = _first(facts, "pynq"), _first(facts, "pynq_error")
    if not version:
        yield Finding(
            "problem", "PYNQ", error or "not found",
            "write a PYNQ image (docs/board.md), or install PYNQ into the root user's Python",
        )  # fmt: skip
    elif error:
        yield Finding(
            "problem", "PYNQ", f"{version}, but no device: {error}",
            "is it a board that PYNQ supports? on it: sudo -i python3 -c "
            "'from pynq import Device; print(Device.devices)'",
        )  # fmt: skip
    elif not version.startswith(PYNQ):
        yield Finding(
            "note", "PYNQ", version, f"the driver is made for {', '.join(PYNQ)}; others may work"
        )
    else:
        yield Finding("ok", "PYNQ", version)
    if xrt := _first(facts, "xilinx_xrt"):
        yield Finding("ok", "XRT", xrt)
    else:
        yield Finding(
            "problem", "XRT", "XILINX_XRT is not set in root's shell",
            "PYNQ's images set it in /etc/profile.d/xrt_setup.sh: is that file there?",
        )  # fmt: skip


def _part(facts: Facts, wanted: BoardSpec | None) -> Iterator[Finding]:
    tree, code = _first(facts, "compatible"), _number(facts, "idcode")
    label = _first(facts, "board")
    chip = None if code is None else _ZYNQ_7000.get(int(code), f"device code {int(code):#x}")
    found = ", ".join(word for word in (label, chip, tree) if word) or "unknown"
    if wanted is None:
        yield Finding("ok", "board", found)
        return
    wrong_family = bool(tree) and DEVICE_TREE[wanted.family] not in tree
    wrong_chip = chip is not None and not wanted.part.startswith(chip)
    # a label is only what the image was made for, so it alone is no problem
    if wrong_family or wrong_chip:
        yield Finding(
            "problem", "board", found,
            f"board={wanted.name} has the part {wanted.part}: give the board= that this is",
        )  # fmt: skip
    elif label and label.lower().replace("-", "") != wanted.name.lower().replace("-", ""):
        yield Finding("note", "board", found, f"it calls itself {label}; board={wanted.name}")
    else:
        yield Finding("ok", "board", found)


def _room(facts: Facts, wanted: BoardSpec | None) -> Iterator[Finding]:
    disk, memory, cma = (_number(facts, f"{x}_kib") for x in ("disk", "memory", "cma"))
    writable = _first(facts, "writable")
    if writable.startswith("no"):
        yield Finding(
            "problem", "folder", f"cannot write in{writable[2:]}",
            "deploy_folder in local.toml names another, relative to the user's home",
        )  # fmt: skip
    limits = (
        ("disk", disk, LEAST_DISK_MIB, "remove files: du -sh ~/* | sort -h"),
        ("memory", memory, LEAST_MEMORY_MIB, "end other programs, such as notebooks"),
        ("memory for DMA", cma, LEAST_CMA_MIB, "close other overlays, or start the board again"),
    )
    for what, kib, least, remedy in limits:
        if kib is not None:
            short = kib < 1024 * least
            text = f"{kib / 1024:,.0f} MiB free" + (f" of {least} wanted" if short else "")
            yield Finding("problem" if short else "ok", what, text, remedy if short else "")


def _clocks(facts: Facts, wanted: BoardSpec | None) -> Iterator[Finding]:
    clock = _number(facts, "clock_mhz")
    there, here = _number(facts, "time"), _number(facts, "here")
    if clock is not None:
        yield Finding("ok", "FPGA clock", f"{clock:g} MHz now; the driver sets what was built")
    if there is not None and here is not None:
        skew = there - here
        wrong = abs(skew) > SKEW_SECONDS
        yield Finding(
            "note" if wrong else "ok", "time of day", f"{skew:+,.0f} s from here",
            "nothing here needs it; a network with NTP sets it" if wrong else "",
        )  # fmt: skip


_LOOKS: tuple[Callable[[Facts, BoardSpec | None], Iterator[Finding]], ...] = (
    _programs,
    _root,
    _python,
    _pynq,
    _part,
    _room,
    _clocks,
)
